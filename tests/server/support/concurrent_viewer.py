"""Somebody who watches while others do what a test is about."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from tests.server.support.raw_http import connected
from tests.server.support.scripted_camera import Script, Served, until


@contextlib.asynccontextmanager
async def undisturbed(served: Served, script: Script, trust: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Watch meanwhile; fails when the viewer missed more than a few of the frames that were made."""
    count = 0

    async def watch() -> None:
        nonlocal count
        async with connected(served.url, trust) as (reader, writer):
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while True:
                await reader.readuntil(b"\r\n--frame\r\n")
                count += 1

    watching = asyncio.create_task(watch())
    try:
        await until(lambda: count > 2)
        frames, seen = script.frames, count
        yield
        await asyncio.sleep(1)
        made, came = script.frames - frames, count - seen
        assert not watching.done()
        assert came >= 0.98 * made - 2, f"{came} of {made} frames came"
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
