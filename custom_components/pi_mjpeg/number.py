"""The numbers that a camera's driver lets one adjust."""

from typing import override

from homeassistant.components.number import NumberEntity, NumberMode
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Control
from .controls import ControlEntity, async_add_controls
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

PARALLEL_UPDATES = 1

_STEPS = 200
"""Into how many steps a range is cut whose driver names none."""


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the numbers of each camera."""
    async_add_controls(entry, async_add_entities, ("integer", "number"), ControlNumber)


class ControlNumber(ControlEntity, NumberEntity):
    """A number within its driver's range."""

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, control: Control) -> None:
        super().__init__(coordinator, camera_id, control)
        lowest, highest = control.minimum or 0.0, control.maximum or 0.0
        self._whole = control.type == "integer"
        self._attr_native_min_value = lowest
        self._attr_native_max_value = highest
        self._attr_native_step = control.step or (1.0 if self._whole else (highest - lowest) / _STEPS or 1.0)
        # A range of microseconds is no slider.
        self._attr_mode = NumberMode.SLIDER if (highest - lowest) / self._attr_native_step <= _STEPS else NumberMode.BOX

    @property
    @override
    def native_value(self) -> float | None:
        control = self.control
        return float(control.value) if control else None

    @override
    async def async_set_native_value(self, value: float) -> None:
        await self.async_set(round(value) if self._whole else value)
