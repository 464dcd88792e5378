"""Home Assistant's own ways to a camera work with ours, in a real process."""

import asyncio
import subprocess
from pathlib import Path

import pytest
from playwright.async_api import Browser
from workbench.environments import home_assistant
from workbench.hass_client import PASSWORD, USERNAME, until
from workbench.house import House

from tests.e2e.pictures import shown, size
from tests.e2e.recordings import filmed

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def _act(house: House, domain: str, action: str, **data: object) -> None:
    await house.client.post(f"/api/services/{domain}/{action}", {"entity_id": house.camera, **data})


def _www(house: House, name: str) -> Path:
    """Return a path in the folder that Home Assistant always may write to."""
    return house.home_assistant.configuration / "www" / name


async def test_camera_snapshot_writes_a_picture(house: House) -> None:
    path = _www(house, "own.jpg")
    await _act(house, "camera", "snapshot", filename=str(path))
    assert size(path.read_bytes()) == (1280, 720)


async def test_our_snapshot_writes_a_picture_and_answers(house: House) -> None:
    path = _www(house, "ours.jpg")
    answer = await house.client.post(
        "/api/services/pi_mjpeg/take_snapshot?return_response", {"entity_id": house.camera, "filename": str(path)}
    )
    described = answer["service_response"][house.camera]
    assert (described["width"], described["height"], described["path"]) == (1280, 720, str(path))
    assert path.stat().st_size == described["bytes"]
    image = house.camera.replace("camera.", "image.") + "_last_snapshot"
    async with house.client.session.get(f"{house.client.url}/api/image_proxy/{image}") as response:
        assert await response.read() == path.read_bytes()


async def test_camera_record_writes_a_film(house: House) -> None:
    assert await filmed(house, "film.mp4") > 20


async def test_the_more_info_dialog_is_live(house: House, browser: Browser) -> None:
    page = await browser.new_page(viewport={"width": 1000, "height": 800})
    try:
        page.set_default_timeout(60_000)
        await page.goto(f"{house.home_assistant.url}{house.dashboard}?more-info-entity-id={house.camera}")
        await page.fill("input[name=username]", USERNAME)
        await page.fill("input[name=password]", PASSWORD)
        await page.keyboard.press("Enter")
        live = page.locator("ha-more-info-dialog img[src*='camera_proxy_stream']")
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        first = await shown(live)
        await asyncio.sleep(1)
        assert await shown(live) != first
    finally:
        await page.close()


async def test_the_privacy_switch_stops_everybody(house: House) -> None:
    await _act(house, "camera", "turn_off")
    try:
        async with house.client.session.get(f"{house.client.url}/api/camera_proxy/{house.camera}") as response:
            assert response.status == 503
    finally:
        await _act(house, "camera", "turn_on")
    assert size(await house.client.still(house.camera)) == (1280, 720)


async def test_the_configuration_is_found_to_be_clean(house: House) -> None:
    hass = home_assistant() / "bin/hass"
    command: list[str | Path] = [hass, "--script", "check_config", "--config", house.home_assistant.configuration]
    done = await asyncio.to_thread(
        lambda: subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    )
    assert done.returncode == 0
    assert "pi_mjpeg" not in done.stdout + done.stderr


async def test_the_token_is_in_no_log(house: House) -> None:
    """Recordings get it in a URL, which is what logs like to show."""
    assert house.server.token() not in house.home_assistant.log.read_text()
