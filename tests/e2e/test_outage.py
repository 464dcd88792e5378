"""Power cuts and broken brokers: the house says so within seconds, and heals without a hand on Home Assistant."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from workbench.hass_client import until
from workbench.house import House
from workbench.network import LOOPBACK, answers

from tests.e2e.home_assistant_log import complaints
from tests.e2e.pictures import size

pytestmark = pytest.mark.asyncio(loop_scope="session")

_WITHIN = 10.0  # seconds
_RECONNECTING = 30.0  # seconds; Home Assistant looks for a lost broker every ten


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def repaired(house: House) -> AsyncIterator[None]:
    """Mend after a test that fails what it broke, so that it is the only one that fails."""
    yield
    if house.broker and not house.broker.running:
        house.broker.start()
    if not house.server.running:
        await house.server.start_and_wait()


async def _becomes(house: House, *, available: bool, within: float = _WITHIN) -> None:
    """Wait until the camera is available or not."""

    async def so() -> bool:
        return (await house.client.state(house.camera) != "unavailable") is available

    await until(so, f"{house.camera} is {'available' if available else 'unavailable'}", within)


async def test_a_server_without_power_is_unavailable_within_seconds_and_comes_back_by_itself(house: House) -> None:
    # So long that Home Assistant has asked for the last time in a while, and only the last will can tell it so soon.
    await asyncio.sleep(12)
    house.server.kill()
    await _becomes(house, available=False, within=3)
    await house.server.start_and_wait()
    await _becomes(house, available=True, within=3)
    assert size(await house.client.still(house.camera)) == (1280, 720)


async def test_a_viewer_stays_connected_through_a_power_cut_and_sees_new_pictures(house: House) -> None:
    url = f"{house.client.url}/api/camera_proxy_stream/{house.camera}"
    async with house.client.session.get(url, timeout=aiohttp.ClientTimeout(sock_read=_WITHIN)) as response:
        reader = aiohttp.MultipartReader.from_response(response)

        async def frame() -> bytes:
            part = await reader.next()
            assert isinstance(part, aiohttp.BodyPartReader)
            return bytes(await part.read())

        seen = {await frame() for _ in range(5)}
        house.server.kill()
        began = time.monotonic()
        while time.monotonic() - began < 5:
            seen.add(await frame())
        await house.server.start_and_wait()
        async with asyncio.timeout(2 * _WITHIN):
            new: set[bytes] = set()
            while len(new) < 5:
                picture = await frame()
                assert size(picture) == (1280, 720)
                new |= {picture} - seen
    await _becomes(house, available=True)


async def test_a_broker_that_restarts_takes_nothing_with_it(house: House) -> None:
    assert house.broker is not None
    host, port = house.server.settings.broker or (LOOPBACK, 0)
    house.broker.stop()
    assert not answers(host, port)
    house.broker.start()
    await house.broker.wait_until(lambda: answers(host, port), _WITHIN)

    async def connected() -> bool:
        token = {"Authorization": f"Bearer {house.server.token()}"}
        async with house.client.session.get(f"{house.server.url}/api/state", headers=token) as response:
            return bool((await response.json())["server"]["mqtt"]["state"] == "connected")

    await until(connected, "the server is at the broker again", _RECONNECTING)
    await _becomes(house, available=True, within=_RECONNECTING)
    # The new broker has forgotten everything: only a last will that was left again can tell of a power cut.
    house.server.kill()
    await _becomes(house, available=False, within=3)
    await house.server.start_and_wait()
    await _becomes(house, available=True)


async def test_no_outage_ends_in_a_traceback(house: House) -> None:
    found = complaints(house.home_assistant.log)
    assert [entry for entry in found if "Traceback" in entry] == []
