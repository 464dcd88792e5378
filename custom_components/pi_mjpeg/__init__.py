"""Raspberry Pi cameras in Home Assistant. Each config entry is one pi-mjpeg server."""

from homeassistant.config_entries import ConfigEntryState
from homeassistant.const import Platform
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import ConfigEntryAuthFailed, ConfigEntryNotReady
from homeassistant.helpers import config_validation as cv
from homeassistant.helpers.device_registry import DeviceEntry
from homeassistant.helpers.typing import ConfigType

from . import devices, event_listener, picture_views, privacy, push, services
from .actions import links, privacy_calls
from .api.access import Access
from .clips.library import LIBRARY, ClipLibrary
from .clips.views import ClipView
from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator
from .flows import issues
from .kept_snapshots import KeptSnapshotView
from .known_server import async_known_server

PLATFORMS = (
    Platform.BINARY_SENSOR,
    Platform.BUTTON,
    Platform.CAMERA,
    Platform.EVENT,
    Platform.IMAGE,
    Platform.NUMBER,
    Platform.SELECT,
    Platform.SENSOR,
    Platform.SWITCH,
)


CONFIG_SCHEMA = cv.config_entry_only_config_schema(DOMAIN)


async def async_setup(hass: HomeAssistant, config: ConfigType) -> bool:  # noqa: ARG001 - Home Assistant's signature
    """Register the actions, URLs and privacy switches, which all exist also while no server is loaded."""
    wishes = hass.data[privacy.WISHES] = privacy.Wishes(hass)
    await wishes.async_load()
    privacy_calls.async_listen(hass)
    picture_views.async_setup(hass)
    services.async_register(hass)
    await links.async_setup(hass)
    library = hass.data[LIBRARY] = ClipLibrary(hass)
    await library.async_setup()
    hass.http.register_view(ClipView())
    hass.http.register_view(KeptSnapshotView())
    return True


async def async_setup_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> bool:
    """Ask the server for its state, add its entities, and subscribe to its topics.

    A server that was loaded before need not answer: the privacy switches have to work, and dashboards that are open get
    their pictures when it is back.
    """
    coordinator = PiMjpegCoordinator(hass, entry, Access.of(entry.data).client(hass))
    known = async_known_server(hass, entry)
    try:
        await coordinator.async_config_entry_first_refresh()
    except (ConfigEntryAuthFailed, ConfigEntryNotReady) as error:
        if known is None:
            raise
        coordinator.go_on_without(known, error)
    entry.runtime_data = coordinator
    devices.async_follow_server(entry)
    await hass.config_entries.async_forward_entry_setups(entry, PLATFORMS)
    await push.async_start(hass, entry)
    event_listener.async_start(hass, entry)
    return True


async def async_unload_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> bool:
    """Unload the platforms, which disconnects all viewers and closes every connection."""
    return await hass.config_entries.async_unload_platforms(entry, PLATFORMS)


async def async_remove_entry(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    """Withdraw repair issues, and remove the claim so that Home Assistant's own MQTT discovery shows the server."""
    issues.async_forget(hass, entry)
    if entry.unique_id is not None:
        await hass.data[privacy.WISHES].async_forget(entry.unique_id)
        await push.async_release(hass, entry.unique_id)


async def async_remove_config_entry_device(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
    device: DeviceEntry,
) -> bool:
    """Return whether the device may be removed: it is a camera that the server no longer has."""
    if entry.state is not ConfigEntryState.LOADED:
        return False
    server = entry.runtime_data.data
    present = {server.id} | {f"{server.id}_{camera_id}" for camera_id in server.cameras}
    return not any((DOMAIN, identifier) in device.identifiers for identifier in present)
