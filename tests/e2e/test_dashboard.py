"""What a person sees: the camera, moving, on a dashboard in a real browser."""

import asyncio

import pytest
from playwright.async_api import Browser, Page
from workbench.hass_client import PASSWORD, USERNAME, until
from workbench.house import House

from tests.e2e.pictures import shown

pytestmark = pytest.mark.asyncio(loop_scope="session")

_LOGIN = 60_000  # milliseconds until a page with Home Assistant's frontend is there
_LIVE = "img[src*='camera_proxy_stream']"


async def _open(browser: Browser, house: House) -> Page:
    page = await browser.new_page(viewport={"width": 1000, "height": 800})
    page.set_default_timeout(_LOGIN)
    await page.goto(f"{house.home_assistant.url}{house.dashboard}")
    await page.fill("input[name=username]", USERNAME)
    await page.fill("input[name=password]", PASSWORD)
    await page.keyboard.press("Enter")
    return page


async def test_the_camera_moves_on_a_dashboard(house: House, browser: Browser) -> None:
    page = await _open(browser, house)
    try:
        # Playwright's selectors look through the frontend's shadow roots.
        live = page.locator(_LIVE)
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        assert await live.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1280, 720]
        first = await shown(live)
        await asyncio.sleep(1)
        assert await shown(live) != first
    finally:
        await page.close()
