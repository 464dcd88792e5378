"""The page a person sees, and the little it needs from the server to move."""

import asyncio

from aiohttp import web

from pi_mjpeg_server.documents import state_document
from pi_mjpeg_server.health import measure
from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.files import file
from pi_mjpeg_server.web.request import PEER, STATION
from pi_mjpeg_server.web.stills import snapshot
from pi_mjpeg_server.web.stream import stream

_ACTIONS = {"stream": stream, "snapshot": snapshot}


async def index(request: web.Request) -> web.StreamResponse:
    """Answer the page; or, for `/?action=stream` and `/?action=snapshot`, what mjpg-streamer answers there."""
    action = request.query.get("action")
    if action is None:
        return file(request, "index.html")
    if action not in _ACTIONS:
        raise not_found("action is one of: " + ", ".join(_ACTIONS))
    return await _ACTIONS[action](request)


async def state(request: web.Request) -> web.Response:
    """Answer everything there is to know, as JSON."""
    health = await asyncio.to_thread(measure)
    document = state_document(request.app[STATION], request[PEER].base, health)
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process serves; it says nothing about the cameras."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})
