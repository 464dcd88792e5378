"""The last snapshot that the server keeps, as an image whose state changes with each."""

from typing import override

from homeassistant.components.image import ImageEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Snapshot
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_as_found

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an image for each of the server's cameras."""
    coordinator = entry.runtime_data
    async_add_as_found(
        entry,
        async_add_entities,
        lambda server: server.cameras,
        lambda camera: [LastSnapshotImage(coordinator, camera)],
    )


class LastSnapshotImage(PiMjpegCameraEntity, ImageEntity):
    """The last snapshot; its state is the time at which it was taken."""

    _attr_translation_key = "last_snapshot"
    _attr_content_type = "image/jpeg"
    # A kept snapshot can be looked at while its camera fails.
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "last_snapshot")
        ImageEntity.__init__(self, coordinator.hass)
        self._shown: tuple[Snapshot, bytes] | None = None
        self._update_time()

    @property
    def _snapshot(self) -> Snapshot | None:
        return self.coordinator.snapshots.get(self._camera_id)

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        self._update_time()
        super()._handle_coordinator_update()

    def _update_time(self) -> None:
        self._attr_image_last_updated = self._snapshot.time if self._snapshot else None

    @override
    async def async_image(self) -> bytes | None:
        """Return the JPEG, fetched once per snapshot; None while there is no snapshot."""
        snapshot = self._snapshot
        if snapshot is None:
            return None
        if self._shown is None or self._shown[0] != snapshot:
            with self.asking_for("picture_failed"):
                self._shown = (snapshot, await self.coordinator.client.kept_snapshot(snapshot))
        return self._shown[1]
