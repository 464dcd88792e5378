"""The live picture: `multipart/x-mixed-replace` to one viewer, always the latest frame and never an old queue."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from aiohttp import hdrs, web
from aiohttp.abc import AbstractStreamWriter

from ..api.frame import BROWSER_PREAMBLE, CONTENT_TYPE, PREAMBLE, Frame
from .hub import LEAVE_TIMEOUT, Hub, Viewer

REPEAT_INTERVAL: Final = 1.0
"""Seconds after which the last frame is sent again. Proxies end a response that is silent for 10."""

DRAIN_TIMEOUT: Final = 15.0
"""Seconds that one part may take. A viewer who needs longer is gone, or could not watch anyway."""

UNSENT_BYTES: Final = 16 * 1024
"""Bytes that the kernel may hold unsent. Its own choice of up to 4 MiB is seconds of pictures for a slow viewer."""


async def serve(request: web.Request, hub: Hub) -> web.StreamResponse:
    """Answer `request` with the hub's frames, the newest each time the viewer has taken the one before.

    The response stays open across gaps of the upstream. It ends when the viewer leaves or is dismissed. A viewer who
    does not take a part within `DRAIN_TIMEOUT` seconds, or `LEAVE_TIMEOUT` when dismissed, is disconnected.
    """
    for_browser = "image/" in request.headers.get(hdrs.ACCEPT, "")
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: CONTENT_TYPE,
            hdrs.CACHE_CONTROL: "no-cache, no-store, must-revalidate",
            # nginx would collect whole parts before it passes them on.
            "X-Accel-Buffering": "no",
        }
    )
    # A ConnectionError means that the viewer left, which is how a stream ends.
    token = request.query.get("token", "")
    with hub.viewing(for_browser=for_browser, token=token) as viewer, suppress(ConnectionError):
        writer = await response.prepare(request)
        if writer is None:
            return response
        _limit_buffers(request.transport)
        try:
            await _send(writer, viewer, BROWSER_PREAMBLE if for_browser else PREAMBLE)
            await _send_frames(writer, hub, viewer)
            async with asyncio.timeout(LEAVE_TIMEOUT):
                # aiohttp does this too, and waits without a limit for a viewer who takes nothing more.
                await response.write_eof()
        except TimeoutError:
            if request.transport is not None:
                # A close would wait until the viewer has taken what lies there for it.
                request.transport.abort()
    return response


async def _send_frames(writer: AbstractStreamWriter, hub: Hub, viewer: Viewer) -> None:
    """Send frames until the viewer is dismissed."""
    frame: Frame | None = None
    while not viewer.dismissed:
        frame = await _next(hub, frame)
        if frame is not None and not viewer.dismissed:
            await _send(writer, viewer, frame.browser_part if viewer.for_browser else frame.part)


async def _next(hub: Hub, frame: Frame | None) -> Frame | None:
    """Return the next frame for a viewer that has `frame`.

    After `REPEAT_INTERVAL` seconds without one it is the same frame again, or None if there never was any.
    """
    with suppress(TimeoutError):
        async with asyncio.timeout(REPEAT_INTERVAL):
            return await hub.newer_than(frame)
    return frame


async def _send(writer: AbstractStreamWriter, viewer: Viewer, part: bytes) -> None:
    """Return once the kernel has taken all of `part`: only then is it known which frame is the newest to send.

    Raises TimeoutError when the viewer does not take it, and ConnectionError when it has left.
    """
    try:
        async with asyncio.timeout(DRAIN_TIMEOUT) as viewer.deadline:
            await writer.write(part)
            await writer.drain()
    finally:
        viewer.deadline = None


def _limit_buffers(transport: asyncio.Transport | None) -> None:
    """Let neither the kernel nor asyncio queue frames: a slow viewer has to see what is now."""
    if transport is None:
        return
    # Not 0: asyncio's TLS pauses at "as much as", so that with 0 an empty buffer would count as full.
    transport.set_write_buffer_limits(high=1)
    connection = transport.get_extra_info("socket")
    # The option is missing on Windows, and an error on the Unix socket of a proxy on the same machine.
    if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
