"""Hubs for the tests, and a web server that shows one as Home Assistant's proxy does."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web

from custom_components.pi_mjpeg.api.frame import Frame
from custom_components.pi_mjpeg.streaming import stream_response
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.support.fake_pi import jpeg, number_of


async def draw_stalled(last: bytes | None) -> bytes:
    """Draw 90 more than the number of the last picture."""
    return jpeg(90 + (number_of(last) if last else 0))


def make_hub(
    open_stream: Callable[[], AsyncGenerator[Frame]], on_stall_end: Callable[[], None] = lambda: None, **times: float
) -> Hub:
    """Return a hub of this stream, with the usual times where none are given."""
    return Hub(
        "front",
        open_stream,
        lambda coroutine, name: asyncio.create_task(coroutine, name=name),
        draw_stalled,
        on_stall_end,
        **times,
    )


@asynccontextmanager
async def serving(hub: Hub, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """Serve the hub under `/` on a free port, which the block gets; close the hub at the end."""

    async def handle(request: web.Request) -> web.StreamResponse:
        return await stream_response.serve(request, hub)

    app = web.Application()
    app.router.add_get("/", handle)
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    try:
        yield runner.addresses[0][1]
    finally:
        await hub.close()
        await runner.cleanup()
