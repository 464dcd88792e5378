"""Raspberry Pi cameras in Home Assistant: one config entry is one pi-mjpeg server."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from . import push, services
from .api.access import Access
from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .entity import async_register_server
from .flows import issues

PLATFORMS = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CAMERA,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
)


CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001 - Home Assistant's signature
    """Register the actions, which are there whether a server is or not."""
    services.async_register(hass)
    return True


async def async_setup_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> bool:
    """Ask the server for its cameras, then follow it."""
    coordinator = PiMjpegCoordinator(hass, entry, Access.of(entry.data).client(hass))
    await coordinator.async_config_entry_first_refresh()
    entry.runtime_data = coordinator
    async_register_server(entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await push.async_start(hass, entry)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> bool:
    """Let all viewers go and close every connection."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    """Give the server back to Home Assistant's own MQTT discovery."""
    issues.async_forget(hass, entry)
    if entry.unique_id is not None:
        await push.async_release(hass, entry.unique_id)


async def async_remove_config_entry_device(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    device: DeviceEntry,
) -> bool:
    """Allow to remove a camera that the server has no more."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    server = entry.runtime_data.data
    present = {server.id} | {f"{server.id}_{camera_id}" for camera_id in server.cameras}
    return not any((DOMAIN, identifier) in device.identifiers for identifier in present)
