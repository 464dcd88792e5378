"""The controls of a camera that are on or off."""

from typing import Any, override

from homeassistant.components.switch import SwitchEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .coordinator import PiMjpegConfigEntry
from .entity import ControlEntity, async_add_controls

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the boolean controls of each camera."""
    async_add_controls(entry, async_add_entities, ("boolean",), ControlSwitch)


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
