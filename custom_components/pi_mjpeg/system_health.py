"""What Settings > System > Repairs > System information shows about this integration."""

from typing import Any

from homeassistant.components.system_health import SystemHealthRegistration
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant, callback

from .const import DOMAIN
from .coordinator import PiMjpegConfigEntry


@callback
def async_register(hass: HomeAssistant, register: SystemHealthRegistration) -> None:  # noqa: ARG001 - Home Assistant's signature
    """Register the information."""
    register.async_register_info(_information)


async def _information(hass: HomeAssistant) -> dict[str, Any]:
    entries: list[PiMjpegConfigEntry] = hass.config_entries.async_entries(DOMAIN)
    loaded = [entry.runtime_data for entry in entries if entry.state is ConfigEntryState.LOADED]
    return {
        "servers": len(entries),
        "reachable": sum(coordinator.last_update_success for coordinator in loaded),
        "cameras": sum(len(coordinator.data.cameras) for coordinator in loaded),
        "versions": ", ".join(sorted({coordinator.data.version or "?" for coordinator in loaded})) or "-",
    }
