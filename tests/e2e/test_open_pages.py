"""Open pages after an outage: each asks for the live picture once more, and one that was closed disturbs nobody."""

import asyncio

import pytest
from playwright.async_api import Browser, Page, Request
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.dashboards import LIVE, open_dashboard
from tests.e2e.pictures import pixels

pytestmark = pytest.mark.asyncio(loop_scope="session")

_OUTAGE = 12.0  # seconds
_AFTERWARDS = 90.0  # seconds, in which Home Assistant polls three times


def _count_streams(page: Page) -> list[str]:
    """Return a list that gets the URL of each request for the live picture."""
    found: list[str] = []

    def note(request: Request) -> None:
        if "camera_proxy_stream" in request.url:
            found.append(request.url)

    page.on("request", note)
    return found


@pytest.mark.parametrize("outage", ["stopped", "killed", "frozen"])
async def test_each_open_page_reconnects_once(stack: Stack, browser: Browser, outage: str) -> None:
    pages = [await open_dashboard(browser, stack) for _ in range(3)]
    try:
        for page in pages:
            live = page.locator(LIVE)
            await live.wait_for()
            await until(lambda live=live: live.evaluate("image => image.naturalWidth"), "the picture is painted")  # type: ignore[misc]  # the default binds the variable of the loop
        counted = [_count_streams(page) for page in pages]
        if outage == "frozen":
            stack.server.freeze()
        elif outage == "killed":
            stack.server.kill()
        else:
            stack.server.stop()
        await asyncio.sleep(_OUTAGE / 2)
        await pages.pop().context.close()
        await asyncio.sleep(_OUTAGE / 2)
        if outage == "frozen":
            stack.server.thaw()
        else:
            await stack.server.start_and_wait()
        await asyncio.sleep(_AFTERWARDS)
        assert [len(urls) for urls in counted[:2]] == [1, 1]
        for page in pages:
            live = page.locator(LIVE)
            first = await pixels(live)
            await asyncio.sleep(1)
            assert await pixels(live) != first
    finally:
        for page in pages:
            await page.context.close()
