"""Setting a camera's controls, and restarting it."""

import json

from aiohttp import web

from pi_mjpeg_server.documents import controls_document
from pi_mjpeg_server.web.errors import bad_request
from pi_mjpeg_server.web.routes.request import SERVER, requested_camera
from pi_mjpeg_server.web.routes.request_body import read_body

_MAX_CONTROLS = 64


async def patch_controls(request: web.Request) -> web.Response:
    """Set the controls in the body, such as `{"Brightness": 0.2}`, and answer with the state of all controls.

    When one of them cannot be set, none is.
    """
    camera = requested_camera(request)
    try:
        values = json.loads(await read_body(request))
    except (ValueError, RecursionError) as error:
        raise bad_request("the body is not JSON") from error
    if not isinstance(values, dict) or not 1 <= len(values) <= _MAX_CONTROLS:
        raise bad_request('the body has to be a JSON object of controls, such as {"Brightness": 0.2}')
    await request.app[SERVER].adjust(camera, values)
    return web.json_response({"controls": controls_document(camera)})


async def restart(request: web.Request) -> web.Response:
    """Restart the camera, as pulling its plug would. The response does not wait for it."""
    requested_camera(request).restart()
    return web.Response(status=204)
