"""The live picture on a dashboard in a browser."""

import asyncio

import pytest
from playwright.async_api import Browser, Page
from tooling.hass_client import USERNAME, until
from tooling.stack import Stack

from tests.e2e.pictures import pixels

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PAGE_TIMEOUT = 60_000  # milliseconds; Home Assistant's frontend loads slowly at first
_LIVE = "img[src*='camera_proxy_stream']"


async def _open(browser: Browser, stack: Stack) -> Page:
    page = await browser.new_page(viewport={"width": 1000, "height": 800})
    page.set_default_timeout(_PAGE_TIMEOUT)
    await page.goto(f"{stack.home_assistant.url}{stack.dashboard}")
    await page.fill("input[name=username]", USERNAME)
    await page.fill("input[name=password]", stack.password)
    await page.keyboard.press("Enter")
    return page


async def test_the_live_picture_moves_on_a_dashboard(stack: Stack, browser: Browser) -> None:
    page = await _open(browser, stack)
    try:
        # Playwright's selectors pierce the frontend's shadow roots.
        live = page.locator(_LIVE)
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        assert await live.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1280, 720]
        first = await pixels(live)
        await asyncio.sleep(1)
        assert await pixels(live) != first
    finally:
        await page.close()
