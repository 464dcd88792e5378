"""The controls of a camera that are numbers, and the sensitivity of its motion detection."""

from typing import override

from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Control
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import ControlEntity, MotionSettingEntity, async_add_controls, async_add_for_motion

PARALLEL_UPDATES = 1

_STEPS = 200
"""How many steps a range has whose driver names no step."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the number controls of each camera, and the sensitivity of its motion detection."""
    async_add_for_motion(entry, async_add_entities, MotionSensitivity)
    async_add_controls(entry, async_add_entities, ("integer", "number"), ControlNumber)


class ControlNumber(ControlEntity, NumberEntity):
    """A number within the range that the driver names."""

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, control: Control) -> None:
        super().__init__(coordinator, camera_id, control)
        minimum, maximum = control.minimum or 0.0, control.maximum or 0.0
        self._is_integer = control.type == "integer"
        self._attr_native_min_value = minimum
        self._attr_native_max_value = maximum
        self._attr_native_step = control.step or (1.0 if self._is_integer else (maximum - minimum) / _STEPS or 1.0)
        # A slider has no room for the steps of a range of microseconds.
        self._attr_mode = (
            NumberMode.SLIDER if (maximum - minimum) / self._attr_native_step <= _STEPS else NumberMode.BOX
        )

    @property
    @override
    def native_value(self) -> float | None:
        control = self.control
        return float(control.value) if control else None

    @override
    async def async_set_native_value(self, value: float) -> None:
        await self.async_set(round(value) if self._is_integer else value)


class MotionSensitivity(MotionSettingEntity, NumberEntity):
    """How small a movement counts, from 1 to 100."""

    _attr_translation_key = "motion_sensitivity"
    _attr_native_min_value = 1
    _attr_native_max_value = 100
    _attr_native_step = 1
    _attr_mode = NumberMode.SLIDER

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str) -> None:
        super().__init__(coordinator, camera_id, "motion_sensitivity")

    @property
    @override
    def native_value(self) -> float | None:
        motion = self.motion
        return motion.sensitivity if motion else None

    @override
    async def async_set_native_value(self, value: float) -> None:
        await self.async_set_motion(sensitivity=round(value))
