"""The switch of the page: by mouse, by keyboard, on a phone, and when it does not work."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.page_actions import log_in, picture_changes
from tests.server.support.scripted_camera import Script, Served, camera, grey, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A server with a token and two cameras."""
    cameras = [camera(script, linger=5), camera(Script(fps=5), "shed", linger=5)]
    async with serving(tmp_path, cameras, needs_token=True) as running:
        await until(lambda: script.frames > 0)
        yield running


def front(page: Page) -> Locator:
    return page.get_by_role("region", name="Front")


def power(page: Page) -> Locator:
    return front(page).get_by_role("switch", name="Camera on")


async def test_a_camera_is_switched_off_and_on(served: Served, page: Page, script: Script) -> None:
    await log_in(page, served)
    state = front(page).get_by_role("status").first
    await expect(state).to_have_text("Live")
    await front(page).get_by_text("Controls").click()
    await expect(power(page)).to_be_checked()
    await power(page).click()
    await until(lambda: script.closed == 1, 1)
    await expect(state).to_have_text("Off", timeout=1000)
    await expect(power(page)).not_to_be_checked()
    await expect(front(page).get_by_role("button", name="Take a snapshot")).to_be_disabled()
    await expect(front(page).get_by_role("slider", name="brightness")).to_be_disabled()
    # It is nothing bad, and the other camera goes on.
    assert "bad" not in (await state.get_attribute("class") or "")
    assert await picture_changes(page, "Shed")
    # The live picture stays connected, so it needs no reload.
    assert len(served.server.cameras[0].viewers) == 1
    await asyncio.sleep(3)
    await expect(power(page)).not_to_be_checked()
    await power(page).click()
    await expect(state).to_have_text("Live")
    await expect(power(page)).to_be_checked()
    await expect(front(page).get_by_role("button", name="Take a snapshot")).to_be_enabled()
    assert await picture_changes(page)


async def test_the_picture_is_the_drawn_one_within_a_second_and_stays(page: Page, tmp_path: Path) -> None:
    script = Script(fps=10, picture=grey(255, (320, 180)))
    async with serving(tmp_path, [camera(script, linger=5)]) as served:
        await page.goto(served.url)
        picture = front(page).locator("img")
        brightness = """(image) => {
          const context = document.createElement("canvas").getContext("2d");
          context.drawImage(image, 0, 0, 10, 10);
          return context.getImageData(9, 0, 1, 1).data[0];
        }"""
        await until_level(picture, brightness, lambda level: level > 200)
        await power(page).click()
        await asyncio.sleep(1)
        for _ in range(10):
            assert await picture.evaluate(brightness) < 100
            await asyncio.sleep(0.2)


async def until_level(picture: Locator, brightness: str, condition: object) -> None:
    assert callable(condition)
    for _ in range(50):
        if condition(await picture.evaluate(brightness)):
            return
        await asyncio.sleep(0.1)
    pytest.fail("the picture did not come")


async def test_it_is_switched_by_keyboard(served: Served, page: Page) -> None:
    await log_in(page, served)
    await power(page).focus()
    await page.keyboard.press("Space")
    await until(lambda: not served.server.cameras[0].enabled)
    await expect(front(page).get_by_role("status").first).to_have_text("Off")
    # The focus stays, so the same key switches it on again.
    await expect(power(page)).to_be_focused()
    await page.keyboard.press("Space")
    await until(lambda: served.server.cameras[0].enabled)


async def test_a_change_from_elsewhere_is_shown(served: Served, page: Page) -> None:
    await log_in(page, served)
    await expect(power(page)).to_be_checked()
    await served.server.set_enabled(served.server.cameras[0], False)
    await expect(power(page)).not_to_be_checked()
    await expect(front(page).get_by_role("status").first).to_have_text("Off")


async def test_a_change_that_fails_says_why_and_the_switch_shows_what_is(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script(fps=5), linger=5)]) as served:
        await page.goto(served.url)
        await expect(front(page).get_by_role("status").first).to_have_text("Live")
        (tmp_path / "settings.json").mkdir()
        await power(page).click()
        await expect(front(page).get_by_role("alert")).to_contain_text(
            "Switching it off: Front is off now, but this could not be stored, so it may be on again after a restart"
        )
        await expect(power(page)).not_to_be_checked()
        (tmp_path / "settings.json").rmdir()
        await power(page).click()
        await expect(front(page).get_by_role("alert")).to_have_count(0)
        await expect(power(page)).to_be_checked()
        # The click alone checks it. The server has done it once the page shows another state.
        await expect(front(page).get_by_role("status").first).to_have_text("Live")
    await expect(page.get_by_text("Trying again: the server does not answer.")).to_be_visible()
    await power(page).click()
    await expect(front(page).get_by_role("alert")).to_have_text("Switching it off: the server does not answer")
    await expect(power(page)).to_be_checked()


async def test_settings_that_cannot_be_read_are_told_as_the_reason(page: Page, tmp_path: Path) -> None:
    cam = camera(Script(fps=5))
    cam.disable("the privacy settings cannot be read")
    async with serving(tmp_path, [cam]) as served:
        await page.goto(served.url)
        state = front(page).get_by_role("status").first
        await expect(state).to_have_text("Off: the privacy settings cannot be read")


async def test_a_fifth_camera_that_is_off_says_so_in_place_of_its_still(page: Page, tmp_path: Path) -> None:
    cameras = [camera(Script(fps=5), name, linger=1) for name in ("front", "shed", "yard", "roof", "attic")]
    cameras[4].disable()
    async with serving(tmp_path, cameras) as served:
        await page.goto(served.url)
        attic = page.get_by_role("region", name="Attic")
        await expect(attic.get_by_text("The camera is off.")).to_be_visible()
        async with (
            aiohttp.ClientSession() as other,
            other.patch(f"{served.url}/api/cameras/attic", json={"enabled": True}) as response,
        ):
            assert response.status == 200
        await expect(attic.get_by_text("The camera is off.")).to_be_hidden()
        assert await picture_changes(page, "Attic")


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_on_a_phone_it_is_as_large_as_a_finger_and_accessible(
    served: Served, browser: Browser, tmp_path: Path, scheme: str
) -> None:
    context = await browser.new_context(
        viewport={"width": 360, "height": 740},
        color_scheme="dark" if scheme == "dark" else "light",
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    )
    phone = await context.new_page()
    try:
        await log_in(phone, served)
        label = front(phone).locator("label.power").first
        for _ in ("off", "on"):
            box = await label.bounding_box()
            assert box is not None
            assert min(box["width"], box["height"]) >= 44
            await label.tap()
            await asyncio.sleep(2.5)
            found = await Axe().run(phone)
            assert found.violations_count == 0, found.generate_report()
            await phone.screenshot(path=tmp_path / f"{scheme}-{_}.png")
        assert await phone.evaluate("document.documentElement.scrollWidth") == 360
        assert served.server.cameras[0].enabled
    finally:
        await context.close()
