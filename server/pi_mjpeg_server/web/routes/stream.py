"""The live picture: `multipart/x-mixed-replace` to one viewer, always the latest frame and never an old queue."""

import asyncio
import contextlib
import logging
import socket
import time

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import BROWSER_PREAMBLE, CONTENT_TYPE, PREAMBLE, Frame
from pi_mjpeg_server.web.routes.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.web.routes.request import SERVER, query_number, requested_camera
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR
from pi_mjpeg_server.web.security.session_cookie import SessionCookie
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN
from pi_mjpeg_server.web.security.viewer_limits import VIEWER_LIMITS

_LOGGER = logging.getLogger(__name__)

REPEAT_INTERVAL = 1.0
"""Seconds after which the last frame is sent again, so that no client's read timeout ends the stream."""

DRAIN_TIMEOUT = 15.0
"""Seconds that one part may take. A viewer that needs longer is disconnected."""

UNSENT_BYTES = 16 * 1024
"""Bytes that the kernel may hold unsent for a viewer. With more, a slow viewer sees the past."""

_TOKEN_CHECK_INTERVAL = 1.0
_MAX_USER_AGENT = 200

_HEADERS = {
    "Content-Type": CONTENT_TYPE,
    "Cache-Control": "no-store, no-cache, must-revalidate, max-age=0",
    "Pragma": "no-cache",
    # nginx would collect whole parts before it passes them on.
    "X-Accel-Buffering": "no",
}


class UnchunkedResponse(web.StreamResponse):
    """A response that ends with its connection, without chunk sizes: simple MJPEG clients do not understand them."""

    # aiohttp 3.14 has no public name for this; its own WebSocketResponse sets the same attribute. That the name is
    # still there is checked in web/transport/aiohttp_internals.py.
    _length_check = False

    def __init__(self) -> None:
        """Set the headers of a multipart stream that no cache or proxy may hold back."""
        super().__init__(headers=_HEADERS)
        self.force_close()


async def stream(request: web.Request, camera: Camera | None = None) -> web.StreamResponse:
    """Send frames until the viewer leaves. `?fps=` limits the rate for this viewer."""
    camera = camera or requested_camera(request)
    limiter = FrameRateLimiter(query_number(request, "fps", 0.05, 240), time.monotonic())
    response = UnchunkedResponse()
    if request.method == "HEAD":
        return response
    for_browser = "image/" in request.headers.get("Accept", "")
    viewer = ViewerStats(request[REQUEST_ORIGIN].client_ip, _user_agent(request))
    admitted = request.app[VIEWER_LIMITS].admit(request.app[SERVER], camera, viewer)
    # A ConnectionError means that the viewer left, which is how a stream ends.
    with admitted, contextlib.suppress(ConnectionError):
        writer = await response.prepare(request)
        if writer is None:
            return response
        limit_buffers(request.transport)
        _LOGGER.info("%s: viewer %s came", camera.settings.name, viewer.address)
        try:
            await send(writer, BROWSER_PREAMBLE if for_browser else PREAMBLE)
            session_cookie = request.app[AUTHENTICATOR].session_cookie
            await _send_frames(writer, camera, viewer, limiter, session_cookie, for_browser=for_browser)
        except TimeoutError:
            _LOGGER.info("%s: viewer %s took no frame for %.0f s", camera.settings.name, viewer.address, DRAIN_TIMEOUT)
            if request.transport is not None:
                # close() would wait until the viewer has taken what is buffered for it.
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


def _user_agent(request: web.Request) -> str | None:
    """Return the User-Agent header, shortened, as text that JSON can hold, or None if there is none."""
    name = request.headers.get("User-Agent")
    return None if name is None else name[:_MAX_USER_AGENT].encode(errors="replace").decode()


async def _send_frames(
    writer: AbstractStreamWriter,
    camera: Camera,
    viewer: ViewerStats,
    limiter: FrameRateLimiter,
    session_cookie: SessionCookie,
    *,
    for_browser: bool,
) -> None:
    """Send frames until the access token is rotated, which changes the value of the session cookie."""
    frame: Frame | None = None
    session, next_check = session_cookie.value, time.monotonic() + _TOKEN_CHECK_INTERVAL
    while True:
        if time.monotonic() >= next_check:
            if session_cookie.value != session:
                return
            next_check = time.monotonic() + _TOKEN_CHECK_INTERVAL
        next_frame, missed = await _next(camera, frame, limiter)
        if next_frame is None:
            continue
        if next_frame is not frame:
            viewer.drops += limiter.sent(time.monotonic(), missed)
        frame = next_frame
        await send(writer, frame.browser_part if for_browser else frame.part)
        viewer.send_rate.tick(time.monotonic())


async def _next(camera: Camera, frame: Frame | None, limiter: FrameRateLimiter) -> tuple[Frame | None, int]:
    """Return the next frame for a viewer that has `frame`, and how many frames before it were missed.

    After `REPEAT_INTERVAL` seconds without one that is due it is the same frame again, or None if there is none that
    may be sent.
    """
    seen = frame.sequence if frame is not None else _last_stale(camera)
    try:
        async with asyncio.timeout(REPEAT_INTERVAL):
            while True:
                newer = await camera.broadcast.newer_than(seen)
                now = time.monotonic()
                # At any rate, a viewer is told at once that the camera fails or is switched off, or that it is back.
                is_news = frame is None or newer.drawn or frame.drawn
                if is_news or limiter.is_due(now, camera.capture_rate.per_second(now)):
                    return newer, 0 if frame is None else newer.sequence - seen - 1
                seen = newer.sequence
    except TimeoutError:
        return None if frame is None or camera.broadcast.is_withdrawn(frame) else frame, 0


def _last_stale(camera: Camera) -> int:
    """Return the sequence number of the last frame that is too old to start with, from an earlier capture, or -1."""
    latest = camera.broadcast.latest
    if latest is None or time.monotonic() - latest.taken < REPEAT_INTERVAL:
        return -1
    return latest.sequence


async def send(writer: AbstractStreamWriter, part: bytes) -> None:
    """Return once the kernel has taken all of `part`: only then is it known which frame is the newest to send.

    Raises `TimeoutError` when the viewer does not take it, and `ConnectionError` when it has left.
    """
    async with asyncio.timeout(DRAIN_TIMEOUT):
        await writer.write(part)
        await writer.drain()


def limit_buffers(transport: asyncio.Transport | None) -> None:
    """Let neither the kernel nor asyncio queue frames: a viewer on bad Wi-Fi has to see what is now.

    With the defaults of both, a client that reads 300 kB/s sees pictures five seconds old; like this, half a second.
    """
    if transport is None:
        return
    # Not 0: asyncio's TLS pauses at "as much as", so that with 0 an empty buffer would count as full.
    transport.set_write_buffer_limits(high=1)
    sock = transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
