"""Sends a hub's frames to one viewer, for as long as both are there."""

import asyncio
import socket
from typing import Final

from aiohttp import hdrs, web

from ..api.frame import BROWSER_PREAMBLE, CONTENT_TYPE, PREAMBLE, Frame
from .hub import Hub

REPEAT: Final = 1.0
"""Seconds after which the last frame is sent again. Proxies end a response that is silent for 10."""

DROP: Final = 15.0
"""Seconds that one part may take. A viewer who needs longer is gone, or could not watch anyway."""

UNSENT: Final = 16 * 1024
"""Bytes that the kernel may hold unsent. Its own choice of up to 4 MiB is seconds of pictures for a slow viewer."""


async def serve(request: web.Request, hub: Hub, *, drop: float = DROP) -> web.StreamResponse:
    """Answer `request` with the hub's frames, the newest each time the viewer has taken the one before.

    The response stays open across gaps of the upstream, and ends when the viewer leaves or is sent away. A viewer
    who does not take a part within `drop` seconds is disconnected.
    """
    browser = "image/" in request.headers.get(hdrs.ACCEPT, "")
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: CONTENT_TYPE,
            hdrs.CACHE_CONTROL: "no-cache, no-store, must-revalidate",
            # nginx would collect whole parts before it passes them on.
            "X-Accel-Buffering": "no",
        }
    )
    with hub.watch(browser=browser) as viewing:
        try:
            await response.prepare(request)
            _keep_little(request.transport)
            await _send(response, request, BROWSER_PREAMBLE if browser else PREAMBLE, drop)
            frame: Frame | None = None
            while not viewing.over and request.transport is not None:
                frame = await hub.newer_than(frame, REPEAT)
                if frame is not None and not viewing.over:
                    await _send(response, request, frame.browser_part if browser else frame.part, drop)
        except TimeoutError:
            if request.transport is not None:
                request.transport.abort()
        except ConnectionError:
            pass  # The viewer left, which is how a stream ends.
    return response


async def _send(response: web.StreamResponse, request: web.Request, part: bytes, drop: float) -> None:
    """Return once the kernel has taken all of `part`; only then is it known which frame is the newest to send."""
    async with asyncio.timeout(drop):
        await response.write(part)
        await request.writer.drain()


def _keep_little(transport: asyncio.Transport | None) -> None:
    """Let hardly anything wait between us and a slow viewer, so that what it gets is new."""
    if transport is None:
        return
    transport.set_write_buffer_limits(high=0)
    connection = transport.get_extra_info("socket")
    # Missing on Windows, and meaningless where a proxy on the same machine comes through a Unix socket.
    option = getattr(socket, "TCP_NOTSENT_LOWAT", None)
    if option is not None and connection.family in {socket.AF_INET, socket.AF_INET6}:
        connection.setsockopt(socket.IPPROTO_TCP, option, UNSENT)
