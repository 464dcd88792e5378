"""Switching a camera on and off, its motion detection, setting its controls, focusing and restarting it."""

from aiohttp import web

from pi_mjpeg_server.documents import Document, controls_document, motion_document
from pi_mjpeg_server.web.errors import bad_setting
from pi_mjpeg_server.web.routes.request import SERVER, requested_camera
from pi_mjpeg_server.web.routes.request_body import read_object

_MAX_NAME_LENGTH = 64
_SETTINGS = ("enabled", "motion")


async def patch_controls(request: web.Request) -> web.Response:
    """Set the controls in the body, such as `{"Brightness": 0.2}`, and answer with the state of all controls.

    When one of them cannot be set, none is.
    """
    camera = requested_camera(request)
    values = await read_object(request, "controls", '{"Brightness": 0.2}')
    await request.app[SERVER].adjust(camera, values)
    return web.json_response({"controls": controls_document(camera)})


async def patch_camera(request: web.Request) -> web.Response:
    """Change settings of the camera, and answer with those that were named, as they are now.

    `{"enabled": false}` switches it off, and `{"motion": {"enabled": true, "sensitivity": 40}}` changes its motion
    detection. When one of them is not valid, none is changed.
    """
    camera = requested_camera(request)
    values = await read_object(request, "settings", '{"enabled": false}')
    for name in values:
        if name not in _SETTINGS:
            raise bad_setting(f"there is no setting {name[:_MAX_NAME_LENGTH]!r}; there is: {', '.join(_SETTINGS)}")
    if not isinstance(values.get("enabled", True), bool):
        raise bad_setting("enabled has to be true or false")
    server = request.app[SERVER]
    answer: Document = {}
    if "motion" in values:
        await server.set_motion(camera, values["motion"])
        answer["motion"] = motion_document(server.motion[camera.settings.id])
    if "enabled" in values:
        await server.set_enabled(camera, values["enabled"])
        answer["enabled"] = camera.enabled
    return web.json_response(answer)


async def restart(request: web.Request) -> web.Response:
    """Close the camera and open it again. The response does not wait for it."""
    requested_camera(request).restart()
    return web.Response(status=204)


async def focus(request: web.Request) -> web.Response:
    """Focus the camera once, and answer when its picture is sharp."""
    await request.app[SERVER].focus(requested_camera(request))
    return web.Response(status=204)
