"""Adjusting a camera while it runs, and starting it again."""

import json

from aiohttp import web

from pi_mjpeg_server.documents import controls_document
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.web.errors import bad_request, unprocessable
from pi_mjpeg_server.web.routes.request import SERVER, body, requested_camera

_MOST = 64


async def patch_controls(request: web.Request) -> web.Response:
    """Set the controls that the body names, `{"Brightness": 0.2}`, all or none, and answer how all of them are."""
    camera = requested_camera(request)
    try:
        wishes = json.loads(await body(request))
    except (ValueError, RecursionError) as error:
        raise bad_request("the body is not JSON") from error
    if not isinstance(wishes, dict) or not 1 <= len(wishes) <= _MOST:
        raise bad_request('the body has to be a JSON object of controls, such as {"Brightness": 0.2}')
    try:
        await request.app[SERVER].adjust(camera, wishes)
    except ControlError as error:
        raise unprocessable("bad_control", str(error)) from error
    return web.json_response({"controls": controls_document(camera)})


async def restart(request: web.Request) -> web.Response:
    """Start the camera again, as a person does who pulls its plug; answers before it is done."""
    requested_camera(request).restart()
    return web.Response(status=204)
