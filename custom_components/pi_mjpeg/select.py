"""The menus that a camera's driver lets one choose from."""

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Control
from .controls import ControlEntity, async_add_controls
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the menus of each camera."""
    async_add_controls(entry, async_add_entities, ("menu",), ControlSelect)


class ControlSelect(ControlEntity, SelectEntity):
    """A choice among its driver's options."""

    def __init__(self, coordinator: PiMjpegCoordinator, camera_id: str, control: Control) -> None:
        super().__init__(coordinator, camera_id, control)
        self._attr_options = list(control.options)

    @property
    @override
    def current_option(self) -> str | None:
        control = self.control
        return str(control.value) if control else None

    @override
    async def async_select_option(self, option: str) -> None:
        await self.async_set(option)
