"""A viewer that watches while a test does something else to the server."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator

from tests.server.support.raw_http import open_connection
from tests.server.support.scripted_camera import Script, Served, until


@contextlib.asynccontextmanager
async def undisturbed_viewer(
    served: Served, script: Script, trust: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    """Watch the stream while the context lasts. Fails when more than a few of the camera's frames do not arrive."""
    count = 0

    async def watch() -> None:
        nonlocal count
        async with open_connection(served.url, trust) as (reader, writer):
            token = served.server.token
            authorization = f"Authorization: Bearer {token.value}\r\n" if token else ""
            writer.write(f"GET /stream HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n".encode())
            while True:
                await reader.readuntil(b"\r\n--frame\r\n")
                count += 1

    watching = asyncio.create_task(watch())
    try:
        await until(lambda: count > 2)
        frames_before, count_before = script.frames, count
        yield
        await asyncio.sleep(1)
        made, received = script.frames - frames_before, count - count_before
        assert not watching.done()
        assert received >= 0.98 * made - 2, f"{received} of {made} frames arrived"
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching
