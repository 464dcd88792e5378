"""The live picture: `multipart/x-mixed-replace` to one viewer, always the latest frame and never an old queue."""

import asyncio
import contextlib
import logging
import socket
import time

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.viewer import Viewer
from pi_mjpeg_server.media.frame import BROWSER_PREAMBLE, CONTENT_TYPE, PREAMBLE, Frame
from pi_mjpeg_server.web.routes.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.web.routes.login import AUTHENTICATOR
from pi_mjpeg_server.web.routes.request import ORIGIN, SERVER, number, requested_camera
from pi_mjpeg_server.web.security.auth import Authenticator
from pi_mjpeg_server.web.security.viewer_limits import Limits

LIMITS = web.AppKey("limits", Limits)

_LOGGER = logging.getLogger(__name__)

REPEAT_INTERVAL = 1.0
"""Seconds after which the last frame is sent again, so that no reader's time-out ends the stream."""
DRAIN_TIMEOUT = 15.0
"""Seconds a viewer may take for one frame before it is dropped."""
UNSENT_BYTES = 16 * 1024
"""How much the kernel may hold for a viewer that it has not sent: with more, a slow viewer sees the past."""

_LOOK_AT_TOKEN = 1.0
_MAX_AGENT = 200

_HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-store, no-cache, must-revalidate, max-age=0",
    "Pragma": "no-cache",
    "X-Accel-Buffering": "no",
}


class UnchunkedResponse(web.StreamResponse):
    """A response that ends with its connection and has no chunk sizes in it, which simple MJPEG readers choke on."""

    # aiohttp 3.14 has no public way to say so; its own WebSocketResponse sets the same attribute.
    _length_check = False

    def __init__(self) -> None:
        """Announce a multipart stream that no cache or proxy may hold back."""
        super().__init__(headers=_HEADERS)
        self.force_close()


async def stream(request: web.Request, camera: Camera | None = None) -> web.StreamResponse:
    """Send frames until the viewer leaves. `?fps=` limits the rate for this viewer."""
    camera = camera or requested_camera(request)
    fps = number(request, "fps", 0.05, 240)
    response = UnchunkedResponse()
    if request.method == "HEAD":
        return response
    for_browser = "image/" in request.headers.get("Accept", "")
    address = request[ORIGIN].address
    viewer = Viewer(address, _agent(request))
    request.app[LIMITS].admit(request.app[SERVER], camera, address)
    writer = await response.prepare(request)
    if writer is None:
        return response
    _keep_fresh(request.transport)
    with camera.viewing(viewer), contextlib.suppress(ConnectionError):
        _LOGGER.info("%s: viewer %s came", camera.settings.name, viewer.address)
        try:
            await writer.write(BROWSER_PREAMBLE if for_browser else PREAMBLE)
            pace = FrameRateLimiter(fps, time.monotonic())
            await _send_frames(writer, camera, viewer, pace, request.app[AUTHENTICATOR], for_browser=for_browser)
        except TimeoutError:
            _LOGGER.info("%s: viewer %s took no frame for %.0f s", camera.settings.name, viewer.address, DRAIN_TIMEOUT)
            if request.transport is not None:
                # A close would wait until the viewer has taken what lies there for it.
                request.transport.abort()
        finally:
            _LOGGER.info(
                "%s: viewer %s left after %.0f s, %d frames sent, %d left out",
                camera.settings.name,
                viewer.address,
                time.time() - viewer.since,
                viewer.send_rate.count,
                viewer.drops,
            )
    return response


def _agent(request: web.Request) -> str | None:
    """Return the name that the viewer's program gives itself, as text that JSON can hold."""
    name = request.headers.get("User-Agent")
    return None if name is None else name[:_MAX_AGENT].encode(errors="replace").decode()


async def _send_frames(
    writer: AbstractStreamWriter,
    camera: Camera,
    viewer: Viewer,
    pace: FrameRateLimiter,
    lock: Authenticator,
    *,
    for_browser: bool,
) -> None:
    """Send frames for as long as the token is the one that the viewer knew."""
    frame: Frame | None = None
    session, look = lock.session(), time.monotonic() + _LOOK_AT_TOKEN
    while True:
        if time.monotonic() >= look:
            if lock.session() != session:
                return
            look = time.monotonic() + _LOOK_AT_TOKEN
        next_frame, missed = await _next(camera, frame, pace)
        if next_frame is None:
            continue
        if next_frame is not frame:
            viewer.drops += pace.take(time.monotonic(), missed)
        frame = next_frame
        async with asyncio.timeout(DRAIN_TIMEOUT):
            await writer.write(frame.browser_part if for_browser else frame.part)
            await writer.drain()
        viewer.send_rate.tick(time.monotonic())


async def _next(camera: Camera, frame: Frame | None, pace: FrameRateLimiter) -> tuple[Frame | None, int]:
    """Return the next frame for a viewer that has `frame`, and how many came before it and were not looked at.

    After a second without one that is due it is the same frame again, or `None` when there never was any.
    """
    seen = frame.sequence if frame is not None else _stale(camera)
    try:
        async with asyncio.timeout(REPEAT_INTERVAL):
            while True:
                newer = await camera.broadcast.newer_than(seen)
                now = time.monotonic()
                # That a camera fails, or is back, is told at once at any rate.
                if (
                    frame is None
                    or newer.drawn is not frame.drawn
                    or pace.wants(now, camera.capture_rate.per_second(now))
                ):
                    return newer, 0 if frame is None else newer.sequence - seen - 1
                seen = newer.sequence
    except TimeoutError:
        return frame, 0


def _stale(camera: Camera) -> int:
    """Return the sequence number up to which frames are too old to begin with: those of an earlier capture."""
    latest = camera.broadcast.latest
    if latest is None or time.monotonic() - latest.taken < REPEAT_INTERVAL:
        return -1
    return latest.sequence


def _keep_fresh(transport: asyncio.Transport | None) -> None:
    """Let neither the kernel nor asyncio queue frames: a viewer on bad Wi-Fi has to see now.

    With the default of both, a reader of 300 kB/s sees pictures five seconds old; with these two, half a second.
    """
    if transport is None:
        return
    # Not 0: asyncio's TLS pauses at "as much as", so that with 0 an empty buffer would count as full.
    transport.set_write_buffer_limits(high=1)
    sock = transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
