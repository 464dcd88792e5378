"""The controls of a camera that are menus."""

from typing import override

from homeassistant.components.select import SelectEntity
from homeassistant.core import HomeAssistant
from homeassistant.helpers.entity_platform import AddConfigEntryEntitiesCallback

from .api.models import Control
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import ControlEntity, async_add_controls

PARALLEL_UPDATES = 1


async def async_setup_entry(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    async_add_entities: AddConfigEntryEntitiesCallback,
) -> None:
    """Add the menu controls of each camera."""
    async_add_controls(entry, async_add_entities, ("menu",), ControlSelect)


class ControlSelect(ControlEntity, SelectEntity):
    """A choice among the options that the driver names."""

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
