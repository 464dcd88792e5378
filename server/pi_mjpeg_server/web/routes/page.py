"""The page, the state that it shows, and the health check."""

import asyncio
import re

from aiohttp import web

from pi_mjpeg_server.documents import state_document
from pi_mjpeg_server.system.health import measure
from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.snapshots import snapshot
from pi_mjpeg_server.web.routes.static_files import file_response
from pi_mjpeg_server.web.routes.stream import stream
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_ACTIONS = {"stream": stream, "snapshot": snapshot}
_ACTION = re.compile(r"(stream|snapshot)(?:_([0-9]{1,2}))?")


async def index(request: web.Request) -> web.StreamResponse:
    """Answer with the page, or with what mjpg-streamer has at `/?action=stream` and `/?action=snapshot`.

    mjpg-streamer numbers its inputs from 0: `/?action=stream_1` is the second camera.
    """
    action = request.query.get("action")
    if action is None:
        return file_response(request, "index.html")
    found = _ACTION.fullmatch(action)
    if found is None:
        raise not_found("action is one of: " + ", ".join(_ACTIONS) + ", with _1 behind it for the second camera")
    handler, number = _ACTIONS[found[1]], int(found[2] or 0)
    cameras = request.app[SERVER].cameras
    if number >= len(cameras):
        raise not_found(f"there is no camera {number}; they are numbered from 0 to {len(cameras) - 1}")
    return await handler(request, cameras[number])


async def state(request: web.Request) -> web.Response:
    """Answer with the state of the server and its cameras, as JSON."""
    server = request.app[SERVER]
    health = await asyncio.to_thread(measure)
    document = state_document(server, request[REQUEST_ORIGIN].base_url, health, await server.last_kept())
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process serves HTTP; this says nothing about the cameras."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})
