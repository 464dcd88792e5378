"""The snapshots that the servers keep, and the URLs at which Home Assistant serves them to whoever is logged in."""

from typing import Final

from aiohttp import hdrs, web
from homeassistant.core import HomeAssistant
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView

from .api.errors import PiMjpegError, RefusedError
from .api.models import Snapshot
from .clips.find import camera_of
from .const import DOMAIN
from .coordinator import PiMjpegCoordinator

THUMBNAIL_WIDTH: Final = 480
"""In pixels: as wide as the thumbnails of clips. A server before this version sends the whole picture."""

FULL: Final = "full"
SMALL: Final = "small"
_WIDTHS: Final = {FULL: None, SMALL: THUMBNAIL_WIDTH}
_URL: Final = f"/api/{DOMAIN}/snapshots/{{entry_id}}/{{snapshot_id}}/{{size}}.jpg"

_NO_LIST: Final = frozenset({"method_not_allowed", "not_found"})
"""How a server before this version answers to a request for the list."""


def snapshot_path(entry_id: str, snapshot_id: str, size: str) -> str:
    """Return the path at which Home Assistant serves a snapshot, in the size `FULL` or `SMALL`."""
    return _URL.format(entry_id=entry_id, snapshot_id=snapshot_id, size=size)


async def async_snapshots(coordinator: PiMjpegCoordinator, camera_id: str) -> list[Snapshot]:
    """Return the snapshots of a camera that may be shown, the newest first. Raises `PiMjpegError`.

    As with clips, there are none of a camera that is off here while its server has not heard of it.
    """
    if not coordinator.may_show(camera_id):
        return []
    try:
        return await coordinator.client.kept.snapshots(camera_id)
    except RefusedError as error:
        if error.code in _NO_LIST:
            return []
        raise


async def async_picture(hass: HomeAssistant, entry_id: str, snapshot_id: str, size: str) -> bytes | None:
    """Return the JPEG of a snapshot that is kept, or None if there is none. Raises `PiMjpegError`."""
    found = camera_of(hass, entry_id, snapshot_id)
    if found is None:
        return None
    coordinator, camera_id = found
    for snapshot in await async_snapshots(coordinator, camera_id):
        if snapshot.id == snapshot_id:
            return await coordinator.client.kept.snapshot(snapshot, width=_WIDTHS[size])
    return None


class KeptSnapshotView(HomeAssistantView):
    """Serves a snapshot that a server keeps, whole or as a thumbnail."""

    url = _URL
    name = f"api:{DOMAIN}:snapshots"

    async def get(self, request: web.Request, entry_id: str, snapshot_id: str, size: str) -> web.Response:
        """Answer with the picture. 404 if there is none, 502 if the Pi does not give it."""
        if size not in _WIDTHS:
            raise web.HTTPNotFound
        try:
            picture = await async_picture(request.app[KEY_HASS], entry_id, snapshot_id, size)
        except PiMjpegError as error:
            raise web.HTTPBadGateway(text=str(error)) from error
        if picture is None:
            raise web.HTTPNotFound
        headers = {hdrs.CACHE_CONTROL: "private, max-age=3600", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=picture, content_type="image/jpeg", headers=headers)
