"""Diagnostics for bug reports: the state of everything, without secrets or names of persons and places."""

from dataclasses import asdict
from typing import Any, Final

from homeassistant.components.diagnostics import async_redact_data
from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant

from .const import CONF_FINGERPRINT, CONF_IDENTITY
from .coordinator import PiMjpegConfigEntry

_PRIVATE: Final = {CONF_FINGERPRINT, CONF_IDENTITY, CONF_TOKEN, CONF_URL, "id", "mac", "name"}


async def async_get_config_entry_diagnostics(
    hass: HomeAssistant,  # noqa: ARG001 - Home Assistant's signature
    entry: PiMjpegConfigEntry,
) -> dict[str, Any]:
    """Return the entry and the server's state. Cameras are a list without ids: those may be names of rooms."""
    coordinator = entry.runtime_data
    server = asdict(coordinator.data)
    server["cameras"] = [
        {**camera, "controls": list(camera["controls"].values())} for camera in server["cameras"].values()
    ]
    redacted = async_redact_data(server, _PRIVATE)
    for shown, camera in zip(redacted["cameras"], server["cameras"], strict=True):
        # Names of controls come from drivers, not from persons.
        shown["controls"] = camera["controls"]
    return {
        "entry": {"data": async_redact_data(dict(entry.data), _PRIVATE), "options": dict(entry.options)},
        "reachable": coordinator.last_update_success,
        "clock_offset": coordinator.client.clock_offset,
        "snapshots": len(coordinator.snapshots),
        "server": redacted,
    }
