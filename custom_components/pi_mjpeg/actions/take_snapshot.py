"""The action `pi_mjpeg.take_snapshot`: pictures that the Pi keeps, that are written to a file, or both."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final, Protocol

import voluptuous as vol
from homeassistant.const import CONF_FILENAME
from homeassistant.core import HomeAssistant, ServiceCall, ServiceResponse
from homeassistant.helpers import config_validation as cv
from homeassistant.util import dt as dt_util

from ..api.client import PiMjpegClient
from ..api.models import Snapshot
from ..api.transport import STILL_TIMEOUT
from ..pictures import MAX_SIDE, MIN_SIDE, shown_size
from . import each_camera, links
from .errors import refused
from .file_names import file_name, paths_of
from .picture_files import async_check_allowed, async_write
from .targets import async_cameras

ATTR_KEEP: Final = "keep"
ATTR_LINK: Final = "link"
ATTR_FULL: Final = "full"
ATTR_GAP: Final = "gap"
ATTR_WIDTH: Final = "width"
ATTR_HEIGHT: Final = "height"

_SIDE: Final = vol.All(vol.Coerce(int), vol.Range(min=MIN_SIDE, max=MAX_SIDE))

# Typed as Any: mypy sees voluptuous, which is probatio at run time.
_FIELDS: Final[dict[Any, Any]] = {
    vol.Optional(CONF_FILENAME): file_name,
    vol.Optional(ATTR_LINK, default=False): cv.boolean,
    vol.Optional(ATTR_FULL, default=False): cv.boolean,
    vol.Optional(ATTR_WIDTH): _SIDE,
    vol.Optional(ATTR_HEIGHT): _SIDE,
    vol.Optional(ATTR_KEEP, default=True): cv.boolean,
}
SCHEMA: Final = cv.make_entity_service_schema(_FIELDS)


class Camera(each_camera.Camera, Protocol):
    """What the action needs of a camera's entity."""

    async def async_take_snapshot(
        self, *, keep: bool, path: str | None, link: bool, full: bool, width: int | None, height: int | None
    ) -> ServiceResponse:
        """Take a snapshot. Raises `HomeAssistantError`."""


async def async_handle(call: ServiceCall, find: Callable[[str], Camera | None]) -> ServiceResponse:
    """Take a snapshot with each camera of the target, and return where they are, by entity id.

    `find` returns the entity with an id, or None if it is not loaded. Every camera that can takes its snapshot, also if
    another one cannot. Raises `HomeAssistantError` if any could not.
    """
    entity_ids = await async_cameras(call)
    keep, link, full = call.data[ATTR_KEEP], call.data[ATTR_LINK], call.data[ATTR_FULL]
    width, height = call.data.get(ATTR_WIDTH), call.data.get(ATTR_HEIGHT)
    paths = paths_of(call.hass, entity_ids, call.data.get(CONF_FILENAME))
    _raise_for_conflict(keep=keep, elsewhere=link or bool(paths), sized=width is not None or height is not None)
    for path in paths.values():
        await async_check_allowed(call.hass, path)

    async def take(camera: Camera, entity_id: str) -> ServiceResponse:
        path = paths.get(entity_id)
        return await camera.async_take_snapshot(keep=keep, path=path, link=link, full=full, width=width, height=height)

    return await each_camera.async_with_each(call, entity_ids, find, take)


def _raise_for_conflict(*, keep: bool, elsewhere: bool, sized: bool) -> None:
    if keep and sized:
        raise refused("kept_has_full_size")
    if not keep and not elsewhere:
        raise refused("nowhere_to_put")


async def async_keep(
    hass: HomeAssistant,
    client: PiMjpegClient,
    camera_id: str,
    path: str | None,
    on_kept: Callable[[Snapshot], None],
    raise_if_off: Callable[[], None],
    *,
    link: bool,
    full: bool,
) -> dict[str, Any]:
    """Have the server take and keep a snapshot, write it to `path` if there is one, and return its description.

    A `full` one has the largest size of the camera. `on_kept` gets the snapshot before the file is written. Raises
    `PiMjpegError`, and `HomeAssistantError` when the file cannot be written, or the camera was turned off meanwhile.
    """
    gap = None
    if full:
        snapshot, gap = await client.take_full_snapshot(camera_id)
    else:
        snapshot = await client.take_snapshot(camera_id)
    on_kept(snapshot)
    raise_if_off()
    linked = None
    if path is not None or link:
        picture = await client.kept.snapshot(snapshot, timeouts=STILL_TIMEOUT if full else None)
        raise_if_off()
        linked = await _async_put(hass, picture, path, link=link)
    size = (snapshot.width, snapshot.height)
    where = {"path": path, "url": str(client.kept.snapshot_url(snapshot)), "link": linked}
    return where | _description(snapshot.time, size, snapshot.bytes) | ({ATTR_GAP: gap} if full else {})


async def async_save(
    hass: HomeAssistant,
    client: PiMjpegClient,
    camera_id: str,
    path: str | None,
    limits: tuple[int | None, int | None],
    raise_if_off: Callable[[], None],
    *,
    link: bool,
    full: bool,
) -> dict[str, Any]:
    """Write a picture that the server does not keep to `path`, link to it, or both, and return its description.

    `limits` are its width and height at most, and a `full` one is scaled down from the largest size. Raises
    `PiMjpegError`, and `HomeAssistantError` when the file cannot be written, or the camera was turned off meanwhile.
    """
    width, height = limits
    gap = None
    if full:
        picture, gap = await client.full_snapshot(camera_id, width=width, height=height)
    else:
        picture = await client.snapshot(camera_id, width=width, height=height)
    raise_if_off()
    time = dt_util.utcnow()
    size = shown_size(picture)
    where = {"path": path, "url": None, "link": await _async_put(hass, picture, path, link=link)}
    return where | _description(time, size or (None, None), len(picture)) | ({ATTR_GAP: gap} if full else {})


async def _async_put(hass: HomeAssistant, picture: bytes, path: str | None, *, link: bool) -> str | None:
    """Write a picture where it was wanted, and return a link to it if one was."""
    if path is not None:
        await async_write(hass, path, picture)
    return await links.async_publish(hass, picture) if link else None


def _description(time: datetime | None, size: tuple[int | None, int | None], length: int | None) -> dict[str, Any]:
    width, height = size
    return {"time": time.isoformat() if time else None, "width": width, "height": height, "bytes": length}
