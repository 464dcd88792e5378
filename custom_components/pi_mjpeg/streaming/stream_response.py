"""The live picture as a response: `multipart/x-mixed-replace` to one viewer."""

import asyncio
import socket
from contextlib import suppress
from typing import Final

from aiohttp import HttpVersion11, hdrs, web

from ..api.frame import CONTENT_TYPE
from .frame_writer import FrameWriter
from .hub import LEAVE_TIMEOUT, Hub

UNSENT_BYTES: Final = 16 * 1024
"""Bytes that the kernel may hold unsent. Its own choice of up to 4 MiB is seconds of pictures for a slow viewer."""

BROWSER_FORMATS: Final = ("image/avif", "image/webp", "image/apng", "image/svg+xml", "application/xhtml+xml")
"""What only browsers accept: one of the image formats in a page, and XHTML in a tab of its own, as Safari does there.

A program that names `image/*`, `image/jpeg` or `text/html` needs the length of each part, as programs do.
"""


async def serve(request: web.Request, hub: Hub) -> web.StreamResponse:
    """Answer `request` with the hub's frames, the newest each time the viewer has taken the one before.

    The response stays open across stalls of the upstream. It ends when the viewer leaves or is dismissed. A viewer who
    does not take a part within `DRAIN_TIMEOUT` seconds, or `LEAVE_TIMEOUT` when dismissed, is disconnected.
    """
    accept = request.headers.get(hdrs.ACCEPT, "")
    for_browser = any(name in accept for name in BROWSER_FORMATS)
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: CONTENT_TYPE,
            hdrs.CACHE_CONTROL: "no-cache, no-store, must-revalidate",
            # nginx would collect whole parts before it passes them on.
            "X-Accel-Buffering": "no",
        }
    )
    if request.method == hdrs.METH_HEAD:
        return response
    if request.version >= HttpVersion11:
        response.enable_chunked_encoding()
    # A ConnectionError means that the viewer left, which is how a stream ends.
    token = request.query.get("token", "")
    with hub.viewing(for_browser=for_browser, token=token) as viewer, suppress(ConnectionError):
        writer, transport = await response.prepare(request), request.transport
        if writer is None or transport is None:
            return response
        _limit_buffers(transport)
        await FrameWriter(writer, transport, hub, viewer, chunked=response.chunked).run()
        try:
            async with asyncio.timeout(LEAVE_TIMEOUT):
                # aiohttp does this too, and waits without a limit for a viewer who takes nothing more.
                await response.write_eof()
        except TimeoutError:
            # close() would wait until the viewer has taken what is buffered for it.
            transport.abort()
    return response


def _limit_buffers(transport: asyncio.Transport) -> None:
    """Let neither the kernel nor asyncio queue frames: a slow viewer has to see the present picture."""
    # Not 0: asyncio's TLS pauses at "as much as", so that with 0 an empty buffer would count as full.
    transport.set_write_buffer_limits(high=1)
    connection = transport.get_extra_info("socket")
    # The option is missing on Windows, and an error on the Unix socket of a proxy on the same machine.
    if connection is not None and hasattr(socket, "TCP_NOTSENT_LOWAT"):
        with suppress(OSError):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, UNSENT_BYTES)
