"""The buttons of a camera: take a snapshot that the server keeps, focus, and restart the camera."""

from typing import Final, override

from homeassistant.components.button import ButtonEntity
from homeassistant.components.button.const import ButtonDeviceClass
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Camera
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import PiMjpegCameraEntity, async_add_as_found, async_add_for_cameras

FOCUS_MODE: Final = "AfMode"
SINGLE_RUN: Final = "Auto"

# A camera takes seconds to focus, for which no other button has to wait.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the buttons of each of the server's cameras."""
    async_add_for_cameras(entry, async_add_entities, TakeSnapshotButton, RestartButton)
    coordinator = entry.runtime_data
    async_add_as_found(
        entry,
        async_add_entities,
        lambda server: [camera.id for camera in server.cameras.values() if _has_lens(camera)],
        lambda camera_id: [FocusButton(coordinator, camera_id)],
    )


def _has_lens(camera: Camera) -> bool:
    """Whether the lens moves: libcamera has its control for the mode of the focus then, which takes a single run."""
    control = camera.controls.get(FOCUS_MODE)
    return control is not None and SINGLE_RUN in control.options


class TakeSnapshotButton(PiMjpegCameraEntity, ButtonEntity):
    """Makes the server take a snapshot and keep it."""

    _attr_translation_key = "take_snapshot"

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "take_snapshot")

    @override
    async def async_press(self) -> None:
        self.raise_if_off()
        await self.coordinator.privacy.async_tell()
        with self.asking_for("snapshot_failed"):
            snapshot = await self.coordinator.client.take_snapshot(self._camera_id)
        self.coordinator.snapshot_taken(self._camera_id, snapshot)


class FocusButton(PiMjpegCameraEntity, ButtonEntity):
    """Makes a camera with a lens focus once. With continuous focus it looks anew, with manual focus it stays there."""

    _attr_translation_key = "focus"
    _attr_entity_category = EntityCategory.CONFIG

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "focus")

    @property
    @override
    def available(self) -> bool:
        camera = self.camera_state
        return super().available and camera is not None and _has_lens(camera)

    @override
    async def async_press(self) -> None:
        self.raise_if_off()
        with self.asking_for("focus_failed"):
            await self.coordinator.client.focus(self._camera_id)


class RestartButton(PiMjpegCameraEntity, ButtonEntity):
    """Makes the server close the camera and open it again, which helps when a driver is stuck."""

    _attr_device_class = ButtonDeviceClass.RESTART
    _attr_entity_category = EntityCategory.CONFIG
    # It is needed most when there are no pictures.
    needs_pictures = False

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "restart")

    @property
    @override
    def available(self) -> bool:
        return super().available and not self.is_off

    @override
    async def async_press(self) -> None:
        self.raise_if_off()
        with self.asking_for("restart_failed"):
            await self.coordinator.client.restart(self._camera_id)
