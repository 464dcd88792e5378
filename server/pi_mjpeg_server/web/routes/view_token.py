"""Making and revoking the token with which others may look at one camera."""

import asyncio

from aiohttp import web

from pi_mjpeg_server.documents import view_document
from pi_mjpeg_server.storage.settings_store import SettingsNotStoredError
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.routes.request import SERVER, requested_camera
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN


async def make(request: web.Request) -> web.Response:
    """Make a view token for the camera, in place of an earlier one, and answer with the URLs that contain it."""
    camera, tokens = requested_camera(request), _view_tokens(request)
    try:
        token = await asyncio.to_thread(tokens.make, camera.settings.id)
    except OSError as error:
        raise SettingsNotStoredError(f"the view token could not be stored: {error}") from error
    document = view_document(camera.settings.id, request[REQUEST_ORIGIN].base_url, token)
    return web.json_response(document, status=201, headers={"Cache-Control": "no-store"})


async def revoke(request: web.Request) -> web.Response:
    """Make the camera's view token void, if there is one. Streams that were opened with it end within a second."""
    camera, tokens = requested_camera(request), _view_tokens(request)
    try:
        await asyncio.to_thread(tokens.revoke, camera.settings.id)
    except OSError as error:
        raise SettingsNotStoredError(f"the view token is still valid: {error}") from error
    return web.Response(status=204)


def _view_tokens(request: web.Request) -> ViewTokens:
    tokens = request.app[SERVER].view_tokens
    if tokens is None:
        raise not_found("this server needs no token: everybody may look")
    return tokens
