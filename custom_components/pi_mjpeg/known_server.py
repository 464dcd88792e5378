"""A server as Home Assistant remembers it, for a start while it cannot be reached."""

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant, callback
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers.device_registry import CONNECTION_NETWORK_MAC, DeviceEntry
from homeassistant.util import dt as dt_util

from .api.models import Camera, CameraTelemetry, Server, ServerTelemetry
from .const import DOMAIN


@callback
def async_known_server(hass: HomeAssistant, entry: ConfigEntry) -> Server | None:
    """Return the server with its cameras, none of them available, from their devices. None if it has none yet."""
    registry = dr.async_get(hass)
    node = str(entry.unique_id)
    device = registry.async_get_device_by_identifier((DOMAIN, node), entry.entry_id)
    if device is None:
        return None
    prefix = f"{node}_"
    cameras = [
        _camera(identifier.removeprefix(prefix), found)
        for found in dr.async_entries_for_config_entry(registry, entry.entry_id)
        for domain, identifier in found.identifiers
        if domain == DOMAIN and identifier.startswith(prefix)
    ]
    return Server(
        id=node,
        name=device.name or entry.title,
        model=device.model or "",
        version=device.sw_version or "",
        mac=next((value for kind, value in device.connections if kind == CONNECTION_NETWORK_MAC), None),
        auth="token",
        telemetry=ServerTelemetry(started_at=dt_util.utcnow(), viewers=0, temperature=None, throttled=None),
        cameras={camera.id: camera for camera in cameras},
    )


def _camera(camera_id: str, device: DeviceEntry) -> Camera:
    return Camera(
        id=camera_id,
        name=device.name or camera_id,
        source="",
        model=device.model,
        width=None,
        height=None,
        fps=0,
        available=False,
        snapshot=None,
        clip=None,
        motion=None,
        controls={},
        telemetry=CameraTelemetry(
            state="starting",
            reason=None,
            since=dt_util.utcnow(),
            fps=0,
            viewers=0,
            drops=0,
            restarts=0,
            last_error=None,
            enabled=None,
        ),
    )
