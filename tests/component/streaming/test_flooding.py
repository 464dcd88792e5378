"""A server that sends tiny pictures without pause is refused, and Home Assistant keeps answering."""

import asyncio
from contextlib import aclosing
from time import monotonic

import aiohttp
import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.errors import InvalidResponseError
from tests.component.conftest import LIVE, until
from tests.component.support.fake_pi import CAMERA, Pi, jpeg, part
from tests.component.support.hubs import make_hub

STREAM = "/cameras/front/stream"
SEVERAL = b"".join(part(jpeg(number), timestamp=number) for number in range(20))


class Flood:
    """A handler that sends pictures of a few bytes as fast as they are taken."""

    def __init__(self, burst: bytes, pause: float = 0) -> None:
        self.opened: list[float] = []
        self._burst = burst
        self._pause = pause

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        """Send them until the reader leaves."""
        self.opened.append(monotonic())
        response = web.StreamResponse(headers={"Content-Type": "multipart/x-mixed-replace; boundary=frame"})
        await response.prepare(request)
        await response.write(b"--frame\r\n")
        while True:
            await response.write(self._burst)
            await asyncio.sleep(self._pause)


async def frames_in(client: PiMjpegClient, seconds: float) -> int:
    """Return how many frames come in so many seconds."""
    count = 0
    try:
        async with asyncio.timeout(seconds), aclosing(client.stream(CAMERA)) as frames:
            async for _ in frames:
                count += 1
    except TimeoutError:
        return count
    return -1


async def test_of_pictures_that_come_together_only_the_last_counts(pi: Pi) -> None:
    pi.answers[STREAM] = Flood(SEVERAL, pause=0.3)
    async with (
        aiohttp.ClientSession() as session,
        aclosing(PiMjpegClient(session, URL(pi.url)).stream(CAMERA)) as frames,
    ):
        assert [(await anext(frames)).jpeg for _ in range(3)] == [jpeg(19)] * 3


@pytest.mark.parametrize("burst", [SEVERAL, SEVERAL * 20, part(jpeg(1))], ids=["some", "many", "single"])
async def test_a_stream_of_more_pictures_than_any_camera_gives_is_refused(pi: Pi, burst: bytes) -> None:
    pi.answers[STREAM] = Flood(burst)
    async with aiohttp.ClientSession() as session:
        with pytest.raises(InvalidResponseError, match="more than 240"):
            await frames_in(PiMjpegClient(session, URL(pi.url)), 5)


async def test_a_fast_camera_is_not_refused(pi: Pi) -> None:
    pi.answers[STREAM] = Flood(part(jpeg(1)), pause=1 / 120)
    async with aiohttp.ClientSession() as session:
        assert await frames_in(PiMjpegClient(session, URL(pi.url)), 2.5) > 100


async def test_a_refused_stream_is_opened_ever_more_seldom_although_frames_came(pi: Pi) -> None:
    flood = pi.answers[STREAM] = Flood(SEVERAL)
    async with aiohttp.ClientSession() as session:
        client = PiMjpegClient(session, URL(pi.url))
        hub = make_hub(lambda: client.stream(CAMERA), retry_delay=0.2)
        with hub.viewing():
            await until(lambda: len(flood.opened) == 1)
            for _ in range(200):
                # The server also says over MQTT that it is back, all the time.
                hub.retry_now()
                await asyncio.sleep(0.01)
        assert len(flood.opened) <= 4
        await hub.close()


async def test_home_assistant_answers_while_it_is_flooded(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    assert await async_setup_component(hass, "api", {})
    pi.answers[STREAM] = Flood(SEVERAL * 20)
    client = await hass_client()
    viewer = await client.get(LIVE)
    slowest = 0.0
    for _ in range(40):
        began = monotonic()
        assert (await client.get("/api/")).status == 200
        slowest = max(slowest, monotonic() - began)
        await asyncio.sleep(0.05)
    viewer.close()
    assert slowest < 0.5
