"""Home Assistant's side: the component and the integration `mjpeg` of Home Assistant itself, in one process.

    python -m benchmarks.home_assistant PORT UPSTREAM

Serves the stream at the URL `UPSTREAM` of a server without a token to dashboards: at `/ours` as the component does,
and at `/core` as `mjpeg` does, by the methods that Home Assistant calls for a dashboard. Needs the component's Python.
"""

import asyncio
import sys
import tempfile

from aiohttp import web
from homeassistant.components import network
from homeassistant.components.mjpeg.camera import MjpegCamera
from homeassistant.core import CoreState, HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.streaming import stream_response
from custom_components.pi_mjpeg.streaming.hub import Hub


async def draw_nothing(last: bytes | None) -> bytes:
    """Return the last picture: nothing stalls here."""
    return last or b""


async def main(port: int, upstream: URL) -> None:
    """Serve until the process is killed."""
    hass = HomeAssistant(tempfile.mkdtemp())
    hass.set_state(CoreState.running)
    # Its resolver of host names needs it.
    await network.async_get_adapters(hass)
    client = PiMjpegClient(async_get_clientsession(hass), upstream.origin())
    camera_id = upstream.parts[-2]
    hub = Hub(
        "benchmark",
        lambda: client.stream(camera_id),
        hass.async_create_background_task,
        draw_nothing,
        lambda: None,
    )
    camera = MjpegCamera(mjpeg_url=str(upstream), still_image_url=None)
    camera.hass = hass
    app = web.Application()

    async def ours(request: web.Request) -> web.StreamResponse:
        return await stream_response.serve(request, hub)

    async def core(request: web.Request) -> web.StreamResponse:
        response = await camera.handle_async_mjpeg_stream(request)
        if response is None:
            raise web.HTTPBadGateway
        return response

    app.router.add_get("/ours", ours)
    app.router.add_get("/core", core)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), URL(sys.argv[2])))
