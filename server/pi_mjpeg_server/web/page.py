"""The page a person sees, and the little it needs from the server to move."""

import asyncio
from importlib.resources import files

from aiohttp import web

from pi_mjpeg_server.documents import state_document
from pi_mjpeg_server.health import measure
from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.request import STATION, base_url
from pi_mjpeg_server.web.stills import snapshot
from pi_mjpeg_server.web.stream import stream

_STATIC = files("pi_mjpeg_server.web") / "static"
_TYPES = {
    "index.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}
_ACTIONS = {"stream": stream, "snapshot": snapshot}


async def index(request: web.Request) -> web.StreamResponse:
    """Answer the page; or, for `/?action=stream` and `/?action=snapshot`, what mjpg-streamer answers there."""
    action = request.query.get("action")
    if action is None:
        return _file("index.html")
    if action not in _ACTIONS:
        raise not_found("action is one of: " + ", ".join(_ACTIONS))
    return await _ACTIONS[action](request)


async def static(request: web.Request) -> web.Response:
    """Answer one of the page's files."""
    name = request.match_info["name"]
    if name not in _TYPES:
        raise not_found("there is no such file")
    return _file(name)


async def state(request: web.Request) -> web.Response:
    """Answer everything there is to know, as JSON."""
    health = await asyncio.to_thread(measure)
    document = state_document(request.app[STATION], base_url(request), health)
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process serves; it says nothing about the cameras."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})


def _file(name: str) -> web.Response:
    text = (_STATIC / name).read_text()
    return web.Response(text=text, content_type=_TYPES[name], headers=_HEADERS)
