"""The privacy switch of a camera, its motion detection, and its controls that are on or off."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import (
    ControlEntity,
    MotionSettingEntity,
    PiMjpegCameraEntity,
    async_add_controls,
    async_add_for_cameras,
    async_add_for_motion,
)

# The privacy switch must not wait for a control that a Pi is slow to set.
PARALLEL_UPDATES = 0


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the privacy switch, that of motion detection, and the boolean controls of each camera."""
    async_add_for_cameras(entry, async_add_entities, PrivacySwitch)
    async_add_for_motion(entry, async_add_entities, MotionDetectionSwitch)
    async_add_controls(entry, async_add_entities, ("boolean",), ControlSwitch)


class PrivacySwitch(PiMjpegCameraEntity, SwitchEntity):
    """On while nobody gets a picture of the camera. It works whether or not the Pi can be reached."""

    _attr_translation_key = "privacy"

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "privacy")

    @property
    @override
    def available(self) -> bool:
        return True

    @property
    @override
    def is_on(self) -> bool:
        return self.is_off

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self.async_turn(on=False)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self.async_turn(on=True)


class MotionDetectionSwitch(MotionSettingEntity, SwitchEntity):
    """On while the camera is watched for motion, which keeps it running."""

    _attr_translation_key = "motion_detection"

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "motion_detection")

    @property
    @override
    def is_on(self) -> bool | None:
        motion = self.motion
        return motion.enabled if motion else None

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self.async_set_motion(enabled=True)

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self.async_set_motion(enabled=False)


class ControlSwitch(ControlEntity, SwitchEntity):
    """A control that is on or off."""

    @property
    @override
    def is_on(self) -> bool | None:
        control = self.control
        return bool(control.value) if control else None

    @override
    async def async_turn_on(self, **kwargs: Any) -> None:
        await self.async_set(True)  # noqa: FBT003 - a control's value

    @override
    async def async_turn_off(self, **kwargs: Any) -> None:
        await self.async_set(False)  # noqa: FBT003 - likewise
