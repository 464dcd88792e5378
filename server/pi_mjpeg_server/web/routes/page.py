"""The page, the state that it shows, and the health check."""

import asyncio

from aiohttp import web

from pi_mjpeg_server.documents import state_document
from pi_mjpeg_server.system.health import measure
from pi_mjpeg_server.web.routes.aliases import answer_action
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.static_files import file_response
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN


async def index(request: web.Request) -> web.StreamResponse:
    """Answer with the page, or with what mjpg-streamer has at `/?action=stream` and `/?action=snapshot`."""
    return await answer_action(request) if "action" in request.query else file_response(request, "index.html")


async def state(request: web.Request) -> web.Response:
    """Answer with the state of the server and its cameras, as JSON."""
    server = request.app[SERVER]
    health = await asyncio.to_thread(measure)
    document = state_document(server, request[REQUEST_ORIGIN].base_url, health, await server.last_kept())
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def healthz(_: web.Request) -> web.Response:
    """Answer that the process serves HTTP; this says nothing about the cameras."""
    return web.json_response({"status": "ok"}, headers={"Cache-Control": "no-store"})
