"""Switching a camera on and off, setting its controls, and restarting it."""

from aiohttp import web

from pi_mjpeg_server.documents import controls_document
from pi_mjpeg_server.web.errors import bad_setting
from pi_mjpeg_server.web.routes.request import SERVER, requested_camera
from pi_mjpeg_server.web.routes.request_body import read_object

_MAX_NAME_LENGTH = 64


async def patch_controls(request: web.Request) -> web.Response:
    """Set the controls in the body, such as `{"Brightness": 0.2}`, and answer with the state of all controls.

    When one of them cannot be set, none is.
    """
    camera = requested_camera(request)
    values = await read_object(request, "controls", '{"Brightness": 0.2}')
    await request.app[SERVER].adjust(camera, values)
    return web.json_response({"controls": controls_document(camera)})


async def patch_camera(request: web.Request) -> web.Response:
    """Switch the camera on or off, as the body `{"enabled": false}` says, and answer with what it is now."""
    camera = requested_camera(request)
    values = await read_object(request, "settings", '{"enabled": false}')
    for name in values:
        if name != "enabled":
            raise bad_setting(f"there is no setting {name[:_MAX_NAME_LENGTH]!r}; there is: enabled")
    if not isinstance(values["enabled"], bool):
        raise bad_setting("enabled has to be true or false")
    await request.app[SERVER].set_enabled(camera, values["enabled"])
    return web.json_response({"enabled": camera.enabled})


async def restart(request: web.Request) -> web.Response:
    """Restart the camera, as pulling its plug would. The response does not wait for it."""
    requested_camera(request).restart()
    return web.Response(status=204)
