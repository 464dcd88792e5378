"""The URLs at which Home Assistant serves clips to whoever is logged in, or has a signed path."""

from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web
from homeassistant.core import HomeAssistant
from homeassistant.helpers.http import KEY_HASS, HomeAssistantView

from ..api.client import PiMjpegClient
from ..api.errors import PiMjpegError
from ..api.models import Clip
from ..const import DOMAIN
from .film import BOUNDARY, FilmError
from .find import FoundClip, async_find_clip
from .library import LIBRARY
from .paths import URL

KINDS: Final = ("mp4", "mjpeg", "jpg")
_HEADERS: Final = {hdrs.CACHE_CONTROL: "private, max-age=3600", "X-Content-Type-Options": "nosniff"}


class ClipView(HomeAssistantView):
    """Serves a clip as a film with byte ranges, as the stream that it is, or as a thumbnail."""

    url = URL
    name = f"api:{DOMAIN}:clips"

    async def get(self, request: web.Request, entry_id: str, clip_id: str, kind: str) -> web.StreamResponse:
        """Answer with the clip. 404 if there is none, 502 if the Pi does not give it."""
        hass = request.app[KEY_HASS]
        if kind not in KINDS:
            raise web.HTTPNotFound
        try:
            found = await async_find_clip(hass, entry_id, clip_id)
            if found is None:
                raise web.HTTPNotFound
            return await _answer(hass, request, found, kind)
        except (PiMjpegError, FilmError, OSError) as error:
            if isinstance(error, ConnectionError):
                raise
            raise web.HTTPBadGateway(text=str(error)) from error


async def _answer(hass: HomeAssistant, request: web.Request, found: FoundClip, kind: str) -> web.StreamResponse:
    if kind == "jpg":
        picture = await found.client.kept.clip_thumbnail(found.clip)
        return web.Response(body=picture, content_type="image/jpeg", headers=_HEADERS)
    if kind == "mjpeg":
        return await _replay(request, found.client, found.clip)
    film = await hass.data[LIBRARY].film(found.client, found.node, found.clip)
    return web.FileResponse(film, headers={**_HEADERS, hdrs.CONTENT_TYPE: "video/mp4"})


async def _replay(request: web.Request, client: PiMjpegClient, clip: Clip) -> web.StreamResponse:
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: f"multipart/x-mixed-replace; boundary={BOUNDARY}"})
    async with client.kept.clip_replay(clip) as chunks:
        await response.prepare(request)
        # The viewer left.
        with suppress(ConnectionError):
            async for chunk in chunks:
                await response.write(chunk)
    return response
