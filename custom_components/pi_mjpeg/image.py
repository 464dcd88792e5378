"""The last snapshot and the last clip that the server keeps, as images whose state changes with each."""

from typing import override

from homeassistant.components.image import ImageEntity
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.errors import RefusedError
from .api.models import Clip, Snapshot
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_cameras

PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add an image for each of the server's cameras."""
    async_add_for_cameras(entry, async_add_entities, LastSnapshotImage, LastClipImage)


class LastSnapshotImage(PiMjpegCameraEntity, ImageEntity):
    """The last snapshot. Its state is the time at which it was taken."""

    _attr_translation_key = "last_snapshot"
    _attr_content_type = "image/jpeg"
    # A kept snapshot can be shown while its camera fails.
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "last_snapshot")
        ImageEntity.__init__(self, coordinator.hass)
        self._fetched: tuple[Snapshot, bytes] | None = None
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
        """Return the JPEG, which is fetched once per snapshot, or None while there is no snapshot."""
        snapshot = self._snapshot
        if snapshot is None:
            return None
        if self._fetched is None or self._fetched[0] != snapshot:
            with self.asking_for("picture_failed"):
                try:
                    self._fetched = (snapshot, await self.coordinator.client.kept.snapshot(snapshot))
                except RefusedError:
                    self.coordinator.snapshot_refused(self._camera_id)
                    raise
        return self._fetched[1]


class LastClipImage(PiMjpegCameraEntity, ImageEntity):
    """The moment of most change in the last clip. Its state is the time at which that was asked for."""

    _attr_translation_key = "last_clip"
    _attr_content_type = "image/jpeg"
    # Likewise.
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        PiMjpegCameraEntity.__init__(self, coordinator, camera_id, "last_clip")
        ImageEntity.__init__(self, coordinator.hass)
        self._fetched: tuple[str, bytes] | None = None
        self._shown = self._clip
        self._attr_image_last_updated = self._shown.time if self._shown else None

    @property
    def _clip(self) -> Clip | None:
        return self.camera_state.clip if self.camera_state else None

    @callback
    @override
    def _handle_coordinator_update(self) -> None:
        # A clip of a camera that is off here, and on at the Pi, must not be shown.
        if self.coordinator.may_show(self._camera_id):
            self._shown = self._clip
            self._attr_image_last_updated = self._shown.time if self._shown else None
        super()._handle_coordinator_update()

    @override
    async def async_image(self) -> bytes | None:
        """Return the JPEG, which is fetched once per clip, or None while there is no clip."""
        clip = self._shown
        if clip is None:
            return None
        if self._fetched is None or self._fetched[0] != clip.id:
            with self.asking_for("picture_failed"):
                self._fetched = (clip.id, await self.coordinator.client.kept.clip_thumbnail(clip))
        return self._fetched[1]
