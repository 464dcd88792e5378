"""The switches that a camera's driver has."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .controls import ControlEntity, async_add_controls
from .coordinator import PiMjpegConfigEntry

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the switches of each camera."""
    async_add_controls(entry, async_add_entities, ("boolean",), ControlSwitch)


class ControlSwitch(ControlEntity, SwitchEntity):
    """Something a driver does or does not do."""

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
