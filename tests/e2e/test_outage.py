"""Power cuts and broker restarts: Home Assistant notices within seconds and recovers without user action."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from tooling.hass_client import until
from tooling.network import LOOPBACK, answers
from tooling.stack import Stack

from tests.e2e.home_assistant_log import component_warnings
from tests.e2e.pictures import size

pytestmark = pytest.mark.asyncio(loop_scope="session")

_TIMEOUT = 10.0  # seconds
_RECONNECT_TIMEOUT = 30.0  # seconds; Home Assistant retries a lost broker every ten


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def restarted(stack: Stack) -> AsyncIterator[None]:
    """Restart what a failed test has stopped, so that the next test does not fail too."""
    yield
    if stack.broker and not stack.broker.running:
        stack.broker.start()
    if not stack.server.running:
        await stack.server.start_and_wait()


async def _wait_for(stack: Stack, *, available: bool, seconds: float = _TIMEOUT) -> None:
    """Wait until the camera is available or not."""

    async def matches() -> bool:
        return (await stack.client.state(stack.camera) != "unavailable") is available

    await until(matches, f"{stack.camera} is {'available' if available else 'unavailable'}", seconds)


async def test_a_server_that_loses_power_is_unavailable_within_seconds_and_recovers(stack: Stack) -> None:
    # Home Assistant polls now and not again soon, so only the last will can report the power cut.
    await stack.client.post("/api/services/homeassistant/update_entity", {"entity_id": stack.camera})
    stack.server.kill()
    await _wait_for(stack, available=False, seconds=3)
    await stack.server.start_and_wait()
    await _wait_for(stack, available=True, seconds=3)
    assert size(await stack.client.still(stack.camera)) == (1280, 720)


async def test_a_viewer_stays_connected_through_a_power_cut_and_gets_new_pictures(stack: Stack) -> None:
    url = f"{stack.client.url}/api/camera_proxy_stream/{stack.camera}"
    async with stack.client.session.get(url, timeout=aiohttp.ClientTimeout(sock_read=_TIMEOUT)) as response:
        reader = aiohttp.MultipartReader.from_response(response)

        async def frame() -> bytes:
            part = await reader.next()
            assert isinstance(part, aiohttp.BodyPartReader)
            return bytes(await part.read())

        seen = {await frame() for _ in range(5)}
        stack.server.kill()
        began = time.monotonic()
        while time.monotonic() - began < 5:
            seen.add(await frame())
        await stack.server.start_and_wait()
        async with asyncio.timeout(2 * _TIMEOUT):
            new: set[bytes] = set()
            while len(new) < 5:
                picture = await frame()
                assert size(picture) == (1280, 720)
                new |= {picture} - seen
    await _wait_for(stack, available=True)


async def test_everything_recovers_after_a_restart_of_the_broker(stack: Stack) -> None:
    assert stack.broker is not None
    host, port = stack.server.settings.broker or (LOOPBACK, 0)
    stack.broker.stop()
    assert not answers(host, port)
    stack.broker.start()
    await stack.broker.wait_until(lambda: answers(host, port), _TIMEOUT)

    async def connected() -> bool:
        token = {"Authorization": f"Bearer {stack.server.token()}"}
        async with stack.client.session.get(f"{stack.server.url}/api/state", headers=token) as response:
            return bool((await response.json())["server"]["mqtt"]["state"] == "connected")

    await until(connected, "the server is connected to the broker again", _RECONNECT_TIMEOUT)
    await _wait_for(stack, available=True, seconds=_RECONNECT_TIMEOUT)
    # The broker has lost its state, so only a last will of the new connection can report the power cut.
    stack.server.kill()
    await _wait_for(stack, available=False, seconds=3)
    await stack.server.start_and_wait()
    await _wait_for(stack, available=True)


async def test_no_outage_causes_a_traceback(stack: Stack) -> None:
    found = component_warnings(stack.home_assistant.log)
    assert [entry for entry in found if "Traceback" in entry] == []
