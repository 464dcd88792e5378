"""Replay a clip as a stream, at its own pace: what shows a live picture shows this too."""

import asyncio
import contextlib
import time
from collections.abc import Callable
from typing import BinaryIO

from aiohttp import web
from aiohttp.abc import AbstractStreamWriter

from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import BROWSER_PREAMBLE, PREAMBLE, Frame
from pi_mjpeg_server.storage.clip_file import Part, read_parts
from pi_mjpeg_server.web.routes.frame_writer import DRAIN_TIMEOUT, REPEAT_INTERVAL
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.stream import UnchunkedResponse, limit_buffers
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN
from pi_mjpeg_server.web.security.viewer_limits import VIEWER_LIMITS


async def replay(request: web.Request, file: BinaryIO, may_go_on: Callable[[], bool]) -> web.StreamResponse:
    """Send the pictures of a clip's file, each as long after the one before as it was taken, and end with the last.

    A viewer who takes them more slowly sees all of them, later. Those who replay count as viewers for the limits.
    `may_go_on` is asked about once a second: the token may be rotated. Raises 503 when a limit is reached.
    """
    response = UnchunkedResponse()
    if request.method == "HEAD":
        return response
    for_browser = "image/" in request.headers.get("Accept", "")
    viewer = ViewerStats(request[REQUEST_ORIGIN].client_ip, None)
    admitted = request.app[VIEWER_LIMITS].admit_replay(request.app[SERVER], viewer)
    with admitted, contextlib.suppress(ConnectionError):
        writer, transport = await response.prepare(request), request.transport
        if writer is None or transport is None:
            return response
        limit_buffers(transport)
        try:
            await _send_pictures(writer, file, may_go_on, for_browser=for_browser)
        except TimeoutError:
            # close() would wait until the viewer has taken what is buffered for it.
            transport.abort()
    return response


async def _send_pictures(
    writer: AbstractStreamWriter, file: BinaryIO, may_go_on: Callable[[], bool], *, for_browser: bool
) -> None:
    await _send(writer, BROWSER_PREAMBLE if for_browser else PREAMBLE)
    parts = await asyncio.to_thread(lambda: list(read_parts(file.fileno())))
    before: Part | None = None
    sent = b""
    sent_at = due = next_check = time.monotonic()
    for number, part in enumerate(parts):
        picture = await asyncio.to_thread(part.read, file.fileno())
        frame = Frame(picture, number, 0.0, part.timestamp)
        if before is not None:
            # From when it was due, so that delays do not add up, unless the viewer is slower than the clip.
            due = max(due, sent_at - REPEAT_INTERVAL) + max(0.0, part.timestamp - before.timestamp)
        while (wait := due - time.monotonic()) > 0 and may_go_on():
            await asyncio.sleep(min(wait, REPEAT_INTERVAL))
            if wait > REPEAT_INTERVAL:
                await _send(writer, sent)
        if time.monotonic() >= next_check:
            if not may_go_on():
                return
            next_check = time.monotonic() + REPEAT_INTERVAL
        sent = frame.browser_part if for_browser else frame.part
        await _send(writer, sent)
        before, sent_at = part, time.monotonic()


async def _send(writer: AbstractStreamWriter, part: bytes) -> None:
    """Return once the kernel has taken all of `part`. Raises `TimeoutError` when the viewer does not take it."""
    async with asyncio.timeout(DRAIN_TIMEOUT):
        await writer.write(part)
        await writer.drain()
