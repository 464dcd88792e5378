"""The live picture: `multipart/x-mixed-replace` to one viewer, always the latest frame and never an old queue."""

import asyncio
import contextlib
import logging
import socket
import time
from collections.abc import Iterator

from aiohttp import web

from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import CONTENT_TYPE
from pi_mjpeg_server.media.scaling import MAX_SIDE, MIN_SIDE
from pi_mjpeg_server.web.routes.frame_writer import FrameWriter
from pi_mjpeg_server.web.routes.request import SERVER, is_browser, query_integer, query_number, requested_camera
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN
from pi_mjpeg_server.web.security.viewer_limits import VIEWER_LIMITS

_LOGGER = logging.getLogger(__name__)

UNSENT_BYTES = 16 * 1024
"""Bytes that the kernel may hold unsent for a viewer. With more, a slow viewer sees old frames."""

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
    """Send frames until the viewer leaves. `?fps=` limits the rate for this viewer, and `?width=` the size."""
    camera = camera or requested_camera(request)
    fps = query_number(request, "fps", 0.05, 240)
    width = query_integer(request, "width", MIN_SIDE, MAX_SIDE)
    response = UnchunkedResponse()
    if request.method == "HEAD":
        return response
    for_browser = is_browser(request)
    viewer = ViewerStats(request[REQUEST_ORIGIN].client_ip, _user_agent(request), width=width)
    admitted = request.app[VIEWER_LIMITS].admit(request.app[SERVER], camera, viewer)
    # A ConnectionError means that the viewer left, which is how a stream ends.
    with admitted, _broadcast(request, camera, width, fps) as broadcast, contextlib.suppress(ConnectionError):
        writer, transport = await response.prepare(request), request.transport
        if writer is None or transport is None:
            return response
        limit_buffers(transport)
        _LOGGER.info("%s: viewer %s came", camera.settings.name, viewer.address)
        session = request.app[AUTHENTICATOR].session(request)
        value = session.value
        limiter = FrameRateLimiter(fps, time.monotonic()) if fps else None
        name = camera.settings.name
        frames = FrameWriter(writer, transport, broadcast, viewer, limiter, for_browser=for_browser, name=name)
        try:
            # What the viewer was authenticated with becomes void when its token is rotated or revoked.
            await frames.run(lambda: session.value != value)
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


@contextlib.contextmanager
def _broadcast(request: web.Request, camera: Camera, width: int | None, fps: float | None) -> Iterator[Broadcast]:
    """Return the frames as the viewer wants them. Raises `TooManyWidthsError`."""
    if width is None:
        yield camera.broadcast
    else:
        with request.app[SERVER].scaled_streams.watching(camera, width, fps) as broadcast:
            yield broadcast


def _user_agent(request: web.Request) -> str | None:
    """Return the User-Agent header, shortened, as text that JSON can hold, or None if there is none."""
    name = request.headers.get("User-Agent")
    return None if name is None else name[:_MAX_USER_AGENT].encode(errors="replace").decode()


def limit_buffers(transport: asyncio.Transport) -> None:
    """Let neither the kernel nor asyncio queue frames: a viewer on bad Wi-Fi has to see the present picture.

    With the defaults of both, a client that reads 300 kB/s sees pictures five seconds old; like this, half a second.
    """
    # Not 0: asyncio's TLS pauses at "as much as", so that with 0 an empty buffer would count as full.
    transport.set_write_buffer_limits(high=1)
    sock = transport.get_extra_info("socket")
    if sock is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
