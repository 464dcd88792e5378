"""The devices of a Pi and its cameras, which follow what the server says of itself."""

from typing import Final

from homeassistant.core import callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC

from .api.models import Server
from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry
from .flows import issues

_EMULATED: Final = "Emulated camera"
"""The model of the camera that a server shows until it finds a real one."""


@callback
def async_follow_server(entry: PiMjpegConfigEntry) -> None:
    """Register the device of the Pi, and have names, models and version follow the server until the entry is unloaded.

    The devices of cameras are registered by their entities.
    """
    coordinator = entry.runtime_data
    described = _description(coordinator.data)
    _async_update(entry)

    @callback
    def follow() -> None:
        nonlocal described
        # Messages with nothing but telemetry come every few seconds.
        if _description(coordinator.data) != described:
            described = _description(coordinator.data)
            _async_update(entry)

    entry.async_on_unload(coordinator.async_add_listener(follow))


def _description(server: Server) -> tuple[object, ...]:
    cameras = tuple((camera.id, camera.name, camera.model) for camera in server.cameras.values())
    return (server.name, server.model, server.version, server.mac, cameras)


@callback
def _async_update(entry: PiMjpegConfigEntry) -> None:
    coordinator = entry.runtime_data
    hass, server = coordinator.hass, coordinator.data
    registry = dr.async_get(hass)
    known = registry.async_get_device_by_identifier((DOMAIN, server.id), entry.entry_id)
    if known is not None and known.name == entry.title != server.name:
        # The title is the server's name, so no person has chosen another.
        hass.config_entries.async_update_entry(entry, title=server.name)
        coordinator.name = server.name
    device = registry.async_get_or_create(
        config_entry_id=entry.entry_id,
        identifiers={(DOMAIN, server.id)},
        connections={(CONNECTION_NETWORK_MAC, server.mac)} if server.mac else set(),
        name=server.name,
        manufacturer="Raspberry Pi" if (server.model or "").startswith("Raspberry Pi") else None,
        model=server.model,
        sw_version=server.version,
        configuration_url=str(coordinator.client.base_url),
    )
    coordinator.server_device_id = device.id
    _async_update_cameras(entry, registry, server)


@callback
def _async_update_cameras(entry: PiMjpegConfigEntry, registry: dr.DeviceRegistry, server: Server) -> None:
    """Update the devices of known cameras, and report those that seem to be another camera than before."""
    prefix = f"{server.id}_"
    devices = {
        identifier.removeprefix(prefix): device
        for device in dr.async_entries_for_config_entry(registry, entry.entry_id)
        for domain, identifier in device.identifiers
        if domain == DOMAIN and identifier.startswith(prefix)
    }
    known = [
        (device, server.cameras[camera_id]) for camera_id, device in devices.items() if camera_id in server.cameras
    ]
    former_names = {device.name for device in devices.values()}
    names = {camera.name for camera in server.cameras.values()}
    changes: list[str] = []
    for device, camera in known:
        if camera.name != device.name and (camera.name in former_names or device.name in names):
            changes.append(f"{device.name} -> {camera.name}")
        elif camera.model and device.model not in (None, camera.model, _EMULATED):
            changes.append(f"{device.name}: {device.model} -> {camera.model}")
    if changes:
        issues.async_cameras_changed(entry.runtime_data.hass, entry, sorted(changes))
    for device, camera in known:
        # A server that has not opened a camera yet does not know its model.
        registry.async_update_device(device.id, name=camera.name, model=camera.model or device.model)
