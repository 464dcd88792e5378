"""The live picture on a dashboard in a browser."""

import asyncio

import pytest
from playwright.async_api import Browser
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.dashboards import LIVE, open_dashboard
from tests.e2e.pictures import pixels

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_live_picture_moves_on_a_dashboard(stack: Stack, browser: Browser) -> None:
    page = await open_dashboard(browser, stack)
    try:
        # Playwright's selectors pierce the frontend's shadow roots.
        live = page.locator(LIVE)
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        assert await live.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1280, 720]
        first = await pixels(live)
        await asyncio.sleep(1)
        assert await pixels(live) != first
    finally:
        await page.close()
