"""Finds a clip by the ids of its entry and itself, and the clips of a camera that may be shown."""

from dataclasses import dataclass

from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant

from ..api.client import PiMjpegClient
from ..api.models import Clip
from ..const import DOMAIN
from ..coordinator import PiMjpegCoordinator


@dataclass(frozen=True, slots=True)
class FoundClip:
    """A clip, the client of its server, and the id of that."""

    clip: Clip
    client: PiMjpegClient
    node: str


def loaded_servers(hass: HomeAssistant) -> dict[str, PiMjpegCoordinator]:
    """Return the servers that are loaded, by the ids of their entries."""
    return {
        entry.entry_id: entry.runtime_data
        for entry in hass.config_entries.async_entries(DOMAIN)
        if entry.state is ConfigEntryState.LOADED
    }


def camera_of(hass: HomeAssistant, entry_id: str, kept_id: str) -> tuple[PiMjpegCoordinator, str] | None:
    """Return the server that keeps the clip or snapshot `kept_id`, and its camera, or None if there is none."""
    coordinator = loaded_servers(hass).get(entry_id)
    camera_id = kept_id.rsplit("-", 2)[0]
    return (coordinator, camera_id) if coordinator is not None and camera_id in coordinator.data.cameras else None


async def async_clips(coordinator: PiMjpegCoordinator, camera_id: str) -> list[Clip]:
    """Return the clips of a camera that may be shown, the newest first. Raises `PiMjpegError`.

    While a camera is off here and its server has not heard of it, what it records must not be shown.
    """
    if not coordinator.may_show(camera_id):
        return []
    return await coordinator.client.kept.clips(camera_id)


async def async_find_clip(hass: HomeAssistant, entry_id: str, clip_id: str) -> FoundClip | None:
    """Return a clip, or None if there is none. Raises `PiMjpegError`."""
    found = camera_of(hass, entry_id, clip_id)
    if found is None:
        return None
    coordinator, camera_id = found
    for clip in await async_clips(coordinator, camera_id):
        if clip.id == clip_id:
            return FoundClip(clip, coordinator.client, coordinator.data.id)
    return None
