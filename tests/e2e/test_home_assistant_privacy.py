"""The privacy switch, in a real Home Assistant process: off means off, whatever ends or dies."""

import asyncio
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tooling.errors import ScriptError
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.dashboards import LIVE, open_dashboard
from tests.e2e.pictures import pixels, size

pytestmark = pytest.mark.asyncio(loop_scope="session")

_START_TIMEOUT = 120.0  # seconds; a Pi that was away is tried again after up to 80


def _switch(stack: Stack) -> str:
    return stack.camera.replace("camera.", "switch.") + "_privacy"


async def _call(stack: Stack, domain: str, action: str, entity_id: str, **data: object) -> int:
    """Call an action over REST and return the status."""
    url = f"{stack.client.url}/api/services/{domain}/{action}"
    async with stack.client.session.post(url, json={"entity_id": entity_id, **data}) as response:
        return response.status


async def _still(stack: Stack, query: str = "") -> tuple[int, bytes]:
    async with stack.client.session.get(f"{stack.client.url}/api/camera_proxy/{stack.camera}{query}") as response:
        return response.status, await response.read()


async def _enabled_at_the_pi(stack: Stack) -> bool:
    headers = {"Authorization": f"Bearer {stack.server.token()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{stack.server.url}/api/state") as answer,
    ):
        return bool((await answer.json())["cameras"][0]["enabled"])


async def _wait_for_state(stack: Stack, entity_id: str, states: set[str]) -> None:
    async def matches() -> bool:
        try:
            return await stack.client.state(entity_id) in states
        except (aiohttp.ClientError, ScriptError):  # it starts
            return False

    await until(matches, f"{entity_id} is one of {states}", _START_TIMEOUT)


@pytest_asyncio.fixture(loop_scope="session", autouse=True)
async def _restored(stack: Stack) -> AsyncIterator[None]:
    """Leave a camera that is on, and all processes running."""
    yield
    if not stack.server.running:
        await stack.server.start_and_wait()
    if not stack.home_assistant.running:
        await stack.home_assistant.start_and_wait()
    await _wait_for_state(stack, _switch(stack), {"on", "off"})
    await _call(stack, "switch", "turn_off", _switch(stack))
    await _wait_for_state(stack, stack.camera, {"idle", "streaming"})


async def test_every_open_view_shows_that_it_is_off_and_no_automation_gets_a_picture(
    stack: Stack, browser: Browser
) -> None:
    page = await open_dashboard(browser, stack)
    try:
        live = page.locator(LIVE)
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        assert await _call(stack, "camera", "turn_off", stack.camera) == 200
        await asyncio.sleep(1)
        shown = await pixels(live)
        await asyncio.sleep(2)
        assert await pixels(live) == shown, "the picture of a camera that is off moves"
        assert await live.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1280, 720]
        assert not await _enabled_at_the_pi(stack)
        assert (await _still(stack))[0] == 500
        status, drawn = await _still(stack, "?width=640&height=360")
        assert (status, size(drawn)) == (200, (1280, 720))
        for domain, action, data in (
            ("camera", "snapshot", {"filename": "/media/x.jpg"}),
            ("camera", "record", {"filename": "/media/x.mp4"}),
            ("pi_mjpeg", "take_snapshot", {}),
        ):
            assert await _call(stack, domain, action, stack.camera, **data) == 500, action
        assert await _call(stack, "camera", "turn_on", stack.camera) == 200
        await until(lambda: _differs(live, shown), "the live picture is back", 5)
    finally:
        await page.close()


async def _differs(image: object, before: str) -> bool:
    return await pixels(image) != before  # type: ignore[arg-type]  # a locator


async def test_a_recording_ends_when_the_camera_is_turned_off_and_none_can_be_made(stack: Stack) -> None:
    folder = stack.home_assistant.configuration / "www"
    path = folder / "until_off.mp4"
    began = time.monotonic()
    recording = asyncio.create_task(_call(stack, "camera", "record", stack.camera, filename=str(path), duration=30))
    # Home Assistant takes up to some seconds until it has a first piece that it can write.
    await asyncio.sleep(10)
    assert await _call(stack, "switch", "turn_on", _switch(stack)) == 200
    assert await recording == 200
    assert time.monotonic() - began < 20
    assert path.stat().st_size > 0
    assert await _call(stack, "camera", "record", stack.camera, filename=str(folder / "off.mp4"), duration=2) == 500
    assert not (folder / "off.mp4").exists()
    assert await _call(stack, "switch", "turn_off", _switch(stack)) == 200

    async def gives_pictures() -> bool:
        return (await _still(stack))[0] == 200

    await until(gives_pictures, "the camera gives pictures again")
    again = folder / "again.mp4"
    assert await _call(stack, "camera", "record", stack.camera, filename=str(again), duration=5) == 200
    assert again.stat().st_size > 0


async def test_a_home_assistant_that_is_killed_a_second_later_starts_with_the_camera_off(stack: Stack) -> None:
    assert await _call(stack, "switch", "turn_on", _switch(stack)) == 200
    await asyncio.sleep(1)
    stack.home_assistant.kill()
    # Somebody else turns it on meanwhile would count; nobody does, and the Pi loses power as well.
    stack.server.kill()
    await stack.server.start_and_wait()
    await stack.home_assistant.start_and_wait()
    await _wait_for_state(stack, _switch(stack), {"on"})
    assert (await _still(stack))[0] == 500
    assert not await _enabled_at_the_pi(stack)


async def test_a_camera_that_is_unavailable_is_turned_off_and_comes_back_off(stack: Stack) -> None:
    stack.server.kill()
    await _wait_for_state(stack, stack.camera, {"unavailable"})
    assert await _call(stack, "camera", "turn_off", stack.camera) == 200
    await _wait_for_state(stack, _switch(stack), {"on"})
    stack.home_assistant.kill()
    await stack.home_assistant.start_and_wait()
    await stack.server.start_and_wait()
    await _wait_for_state(stack, _switch(stack), {"on"})

    async def told() -> bool:
        return not await _enabled_at_the_pi(stack)

    await until(told, "the Pi is told", 60)
    assert (await _still(stack))[0] == 500
    assert (await _still(stack, "?width=320&height=180"))[0] == 200


async def test_the_switch_works_before_home_assistant_has_reached_the_pi(stack: Stack) -> None:
    stack.server.kill()
    # Not killed: it writes which entities there are only three minutes after its start, and at its end.
    stack.home_assistant.stop()
    await stack.home_assistant.start_and_wait()
    await _wait_for_state(stack, _switch(stack), {"off"})
    assert await stack.client.state(stack.camera) == "unavailable"
    assert await _call(stack, "switch", "turn_on", _switch(stack)) == 200
    assert await stack.client.state(_switch(stack)) == "on"
    await stack.server.start_and_wait()

    async def told() -> bool:
        return not await _enabled_at_the_pi(stack)

    await until(told, "the Pi is told", 60)
    assert (await _still(stack))[0] == 500
