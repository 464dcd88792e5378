"""The URLs of the live picture and of stills: the server's own, and those that clients of other servers are set to.

Beside each stands the program whose clients ask for it. A slash at the end makes no difference, because proxies and
people add one.
"""

import re

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.snapshots import snapshot
from pi_mjpeg_server.web.routes.stream import stream

CAMERA = "{camera:[a-z0-9_]{1,64}}"
"""The part of a path that names a camera."""

_STREAMS = (
    f"/cameras/{CAMERA}/stream",
    "/stream",  # ustreamer, spyglass, camera-streamer, ESP32-CAM
    "/stream.mjpg",  # Picamera2's example
    "/stream.mjpeg",  # camera-streamer
    "/video",  # IP Webcam
    "/video.mjpg",  # Axis and many IP cameras
    "/video_feed",  # Flask's examples
)
_STILLS = (
    f"/cameras/{CAMERA}/snapshot.jpg",
    f"/cameras/{CAMERA}/snapshot",
    "/snapshot.jpg",
    "/snapshot",  # ustreamer, spyglass, camera-streamer
    "/image.jpg",  # many IP cameras
    "/shot.jpg",  # IP Webcam
    "/capture",  # ESP32-CAM
)
STREAMS = tuple(path + end for path in _STREAMS for end in ("", "/"))
STILLS = tuple(path + end for path in _STILLS for end in ("", "/"))
ACTIONS = tuple(f"/webcam{number}{end}" for number in ("", "2", "3", "4") for end in ("", "/"))
"""Where the proxies of OctoPi and MainsailOS serve mjpg-streamer; the second camera is at `/webcam2/`."""

_HANDLERS = {"stream": stream, "snapshot": snapshot}
_ACTION = re.compile(r"(stream|snapshot)(?:_([0-9]{1,2}))?")
_WEBCAM = re.compile(r"/webcam([2-4])/?")


async def answer_action(request: web.Request) -> web.StreamResponse:
    """Answer with what mjpg-streamer has at `?action=stream` and `?action=snapshot`. Raises 404 for anything else.

    mjpg-streamer numbers its inputs from 0: `?action=stream_1` is the second camera.
    """
    kind, number = _requested_action(request)
    if kind is None:
        raise not_found("action is one of: " + ", ".join(_HANDLERS) + ", with _1 behind it for the second camera")
    cameras = request.app[SERVER].cameras
    if number >= len(cameras):
        raise not_found(f"there is no camera {number}; they are numbered from 0 to {len(cameras) - 1}")
    return await _HANDLERS[kind](request, cameras[number])


def viewed_camera(request: web.Request) -> Camera | None:
    """Return the camera of which the request wants the live picture or a still, or None if it wants anything else."""
    server = request.app[SERVER]
    kind, number = _requested_action(request)
    if request.match_info.handler in {stream, snapshot}:
        camera_id = request.match_info.get("camera")
        return server.cameras[0] if camera_id is None else server.camera(camera_id)
    has_action = request.path == "/" or request.match_info.handler is answer_action
    return server.cameras[number] if has_action and kind and number < len(server.cameras) else None


def _requested_action(request: web.Request) -> tuple[str | None, int]:
    """Return `stream` or `snapshot`, or None, and the number of the camera from 0."""
    found = _ACTION.fullmatch(request.query.get("action", ""))
    webcam = _WEBCAM.fullmatch(request.path)
    if found is None:
        return None, 0
    return found[1], int(found[2] or 0) or (int(webcam[1]) - 1 if webcam else 0)
