"""Home Assistant's camera actions and dialogs, in a real process."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Browser
from tooling.environments import home_assistant
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.dashboards import open_dashboard
from tests.e2e.pictures import pixels, size
from tests.e2e.recordings import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _call_action(stack: Stack, domain: str, action: str, **data: object) -> None:
    await stack.client.post(f"/api/services/{domain}/{action}", {"entity_id": stack.camera, **data})


def _www(stack: Stack, name: str) -> Path:
    """Return a path in a folder that Home Assistant may always write to."""
    return stack.home_assistant.configuration / "www" / name


async def test_camera_snapshot_writes_a_picture(stack: Stack) -> None:
    path = _www(stack, "own.jpg")
    await _call_action(stack, "camera", "snapshot", filename=str(path))
    assert size(path.read_bytes()) == (1280, 720)


async def test_take_snapshot_writes_a_picture_and_returns_a_response(stack: Stack) -> None:
    path = _www(stack, "ours.jpg")
    answer = await stack.client.post(
        "/api/services/pi_mjpeg/take_snapshot?return_response", {"entity_id": stack.camera, "filename": str(path)}
    )
    described = answer["service_response"][stack.camera]
    assert (described["width"], described["height"], described["path"]) == (1280, 720, str(path))
    assert path.stat().st_size == described["bytes"]
    image = stack.camera.replace("camera.", "image.") + "_last_snapshot"
    async with stack.client.session.get(f"{stack.client.url}/api/image_proxy/{image}") as response:
        assert await response.read() == path.read_bytes()


async def test_take_snapshot_in_the_largest_size_says_what_it_cost(stack: Stack) -> None:
    """The emulated camera has no larger pictures than it streams, so nothing is interrupted."""
    path = _www(stack, "full.jpg")
    for keep in (True, False):
        answer = await stack.client.post(
            "/api/services/pi_mjpeg/take_snapshot?return_response",
            {"entity_id": stack.camera, "filename": str(path), "full": True, "keep": keep},
        )
        described = answer["service_response"][stack.camera]
        assert (described["width"], described["height"], described["gap"]) == (1280, 720, 0)
        assert path.stat().st_size == described["bytes"]


async def test_camera_record_writes_a_video(stack: Stack) -> None:
    assert (await record(stack, "recording.mp4")).frames > 20


async def test_the_more_info_dialog_shows_the_live_picture(stack: Stack, browser: Browser) -> None:
    page = await open_dashboard(browser, stack, f"?more-info-entity-id={stack.camera}")
    try:
        live = page.locator("ha-more-info-dialog img[src*='camera_proxy_stream']")
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        first = await pixels(live)
        await asyncio.sleep(1)
        assert await pixels(live) != first
    finally:
        await page.close()


async def test_a_camera_that_is_turned_off_gives_no_picture(stack: Stack) -> None:
    await _call_action(stack, "camera", "turn_off")
    try:
        async with stack.client.session.get(f"{stack.client.url}/api/camera_proxy/{stack.camera}") as response:
            assert response.status == 500
    finally:
        await _call_action(stack, "camera", "turn_on")
    assert size(await stack.client.still(stack.camera)) == (1280, 720)


async def test_check_config_reports_nothing(stack: Stack) -> None:
    hass = home_assistant() / "bin/hass"
    command: list[str | Path] = [hass, "--script", "check_config", "--config", stack.home_assistant.configuration]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    )
    assert done.returncode == 0
    assert "pi_mjpeg" not in done.stdout + done.stderr


async def test_the_token_is_in_no_log(stack: Stack) -> None:
    """Recordings get the token in a URL, and URLs are often logged."""
    assert stack.server.token() not in stack.home_assistant.log.read_text()
