"""The button that takes a snapshot, which the server keeps."""

from typing import override

from homeassistant.components.button import ButtonEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_for_each_camera

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add a button for each of the server's cameras."""
    async_add_for_each_camera(entry, async_add_entities, lambda *args: [TakeSnapshotButton(*args)])


class TakeSnapshotButton(PiMjpegCameraEntity, ButtonEntity):
    """Has the server take a picture and keep it."""

    _attr_translation_key = "take_snapshot"

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "take_snapshot")

    @override
    async def async_press(self) -> None:
        with self.asking_for("snapshot_failed"):
            snapshot = await self.coordinator.client.take_snapshot(self._camera_id)
        self.coordinator.snapshot_taken(self._camera_id, snapshot)
