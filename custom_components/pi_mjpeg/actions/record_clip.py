"""The action `pi_mjpeg.record_clip`: what happened seconds ago and what follows, on the Pi and in a file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, Protocol

import voluptuous as vol
from homeassistant.const import CONF_FILENAME
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv

from ..api.client import PiMjpegClient
from ..api.models import Clip
from ..clips.film import FilmError
from ..clips.library import LIBRARY
from ..clips.paths import media_content_id
from . import each_camera, links
from .errors import failed, not_written, reason_of, refused
from .file_names import file_name, paths_of
from .picture_files import async_check_folder, async_copy

ATTR_BEFORE: Final = "before"
ATTR_AFTER: Final = "after"
ATTR_LINK: Final = "link"

MAX_BEFORE: Final = 60
MAX_AFTER: Final = 300
"""In seconds. The server refuses more."""

SUFFIXES: Final = (".mp4", ".mjpeg")

_FIELDS: Final[dict[Any, Any]] = {
    vol.Optional(ATTR_BEFORE, default=5): vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_BEFORE)),
    vol.Optional(ATTR_AFTER, default=10): vol.All(vol.Coerce(float), vol.Range(min=0, max=MAX_AFTER)),
    vol.Optional(CONF_FILENAME): file_name,
    vol.Optional(ATTR_LINK, default=False): cv.boolean,
}
SCHEMA: Final = cv.make_entity_service_schema(_FIELDS)


class Camera(each_camera.Camera, Protocol):
    """What the action needs of a camera's entity."""

    async def async_record_clip(self, *, before: float, after: float, path: str | None, link: bool) -> ServiceResponse:
        """Record a clip. Raises `HomeAssistantError`."""


async def async_handle(call: ServiceCall, cameras: list[str], find: Callable[[str], Camera | None]) -> ServiceResponse:
    """Record a clip with each of the cameras, and return where they are, by entity id, once all are whole.

    `find` returns the entity with an id, or None if it is not loaded. Every camera that can records its clip, also if
    another one cannot. Raises `HomeAssistantError` if any could not.
    """
    paths = paths_of(call.hass, cameras, call.data.get(CONF_FILENAME))
    for path in paths.values():
        await _async_check(call.hass, path)
    if call.data[ATTR_LINK]:
        await _async_check_films(call.hass)

    async def record(camera: Camera, entity_id: str) -> ServiceResponse:
        return await camera.async_record_clip(
            before=call.data[ATTR_BEFORE],
            after=call.data[ATTR_AFTER],
            path=paths.get(entity_id),
            link=call.data[ATTR_LINK],
        )

    return await each_camera.async_with_each(call, cameras, find, record)


async def _async_check(hass: HomeAssistant, path: str) -> None:
    suffix = Path(path).suffix.lower()
    if suffix not in SUFFIXES:
        raise refused("not_a_film", path=path)
    if suffix == ".mp4":
        await _async_check_films(hass)
    await async_check_folder(hass, path)


async def _async_check_films(hass: HomeAssistant) -> None:
    if not await hass.data[LIBRARY].can_make_films():
        raise refused("no_films")


async def async_link(hass: HomeAssistant, client: PiMjpegClient, node: str, clip: Clip) -> str:
    """Return a link to the film of a clip. Raises `PiMjpegError`, and `HomeAssistantError`."""
    try:
        film = await hass.data[LIBRARY].film(client, node, clip)
    except (FilmError, OSError) as error:
        raise failed("no_film", reason=reason_of(error)) from error
    return await links.async_publish_film(hass, film)


async def async_save(hass: HomeAssistant, client: PiMjpegClient, node: str, clip: Clip, path: str) -> None:
    """Write a clip to `path`: as a film, or as it is. Raises `PiMjpegError`, and `HomeAssistantError`."""
    library = hass.data[LIBRARY]
    try:
        if Path(path).suffix.lower() == ".mp4":
            await async_copy(hass, await library.film(client, node, clip), path)
            return
        async with library.fetched(client, clip) as fetched:
            await async_copy(hass, fetched, path)
    except (FilmError, OSError) as error:
        raise not_written(path, error) from error


def response(entry_id: str, client: PiMjpegClient, clip: Clip, path: str | None, link: str | None) -> ServiceResponse:
    """Return what the caller learns of a clip."""
    return {
        "path": path,
        "link": link,
        "url": str(client.kept.clip_url(clip)),
        "media_content_id": media_content_id(entry_id, clip),
        "time": clip.time.isoformat() if clip.time else None,
        "duration": clip.duration,
        "before": clip.before,
        "after": clip.after,
        "frames": clip.frames,
        "bytes": clip.bytes,
        "width": clip.width,
        "height": clip.height,
    }
