"""Dashboards with the same camera twice, pages that were hidden, and the live picture in a tab of its own."""

import asyncio
import base64
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page
from tooling.hass_client import until
from tooling.stack import Stack

from tests.e2e.dashboards import LIVE, open_dashboard
from tests.e2e.firefox import firefox
from tests.e2e.pictures import pixels

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SWITCHES = 30
_SHOW_VIEW = """path => {
    history.pushState(null, "", path);
    window.dispatchEvent(new CustomEvent("location-changed", {detail: {replace: false}}));
}"""


@pytest_asyncio.fixture(loop_scope="session")
async def two_views(stack: Stack) -> AsyncIterator[tuple[str, str]]:
    """The paths of two views of the dashboard, both with the live picture of the stack's camera."""
    card = {"type": "picture-entity", "entity": stack.camera, "camera_view": "live"}
    views = [{"title": path, "path": path, "cards": [card]} for path in ("live", "other")]
    await stack.client.command("lovelace/config/save", url_path="pi-cameras", config={"views": views})
    yield "/pi-cameras/live", "/pi-cameras/other"
    await stack.client.show_live(stack.camera)


async def _viewers(stack: Stack) -> int:
    """Return how many viewers the Pi has. All dashboards together are one."""
    headers = {"Authorization": f"Bearer {stack.server.token()}"}
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.get(f"{stack.server.url}/api/state") as answer,
    ):
        return len((await answer.json())["cameras"][0]["viewers"])


async def _moves(page: Page) -> bool:
    live = page.locator(LIVE)
    if await live.count() != 1 or not await live.evaluate("image => image.naturalWidth"):
        return False
    first = await pixels(live)
    await asyncio.sleep(0.3)
    return await live.count() == 1 and await pixels(live) != first


async def test_the_picture_moves_after_many_changes_of_the_view_and_when_the_page_is_shown_again(
    stack: Stack, browser: Browser, two_views: tuple[str, str]
) -> None:
    page = await open_dashboard(browser, stack)
    try:
        await page.locator(LIVE).wait_for()
        for number in range(_SWITCHES):
            await page.evaluate(_SHOW_VIEW, two_views[(number + 1) % 2])
            await asyncio.sleep(0.1)
        # A browser has six connections: views that kept theirs would leave none.
        await until(lambda: _moves(page), "the picture moves after the last change", 10)
        assert await _viewers(stack) == 1
        developer_tools = await page.context.new_cdp_session(page)
        for state in ("frozen", "active"):
            await developer_tools.send("Page.setWebLifecycleState", {"state": state})
            await asyncio.sleep(3)
        await until(lambda: _moves(page), "the picture moves when the page is shown again", 10)
    finally:
        await page.context.close()

    async def nobody_watches() -> bool:
        return await _viewers(stack) == 0

    await until(nobody_watches, "nobody watches")


async def _stream_url(stack: Stack) -> str:
    token = (await stack.client.get(f"/api/states/{stack.camera}"))["attributes"]["access_token"]
    return f"{stack.home_assistant.url}/api/camera_proxy_stream/{stack.camera}?token={token}"


async def _changes(picture: Callable[[], Awaitable[str]]) -> bool:
    first = await picture()
    await asyncio.sleep(0.5)
    return bool(first) and await picture() != first


async def test_chromium_shows_the_stream_in_a_tab_of_its_own(stack: Stack, page: Page) -> None:
    """It asks as for a page there, not as for an image."""
    await page.goto(await _stream_url(stack), wait_until="commit")

    async def shown() -> str:
        return base64.b64encode(await page.screenshot()).decode()

    await page.locator("img").wait_for()
    await until(lambda: _changes(shown), "the picture moves")


async def test_firefox_shows_the_stream_in_a_tab_of_its_own(stack: Stack, tmp_path: Path) -> None:
    async with firefox(tmp_path / "firefox") as tab:
        await tab.navigate(stack.home_assistant.url)
        url = await _stream_url(stack)
        await tab.evaluate(f"void (location = {url!r})")

        async def shown() -> str:
            try:
                return base64.b64encode(await tab.screenshot()).decode()
            except AssertionError:  # it is being loaded
                return ""

        await until(lambda: _changes(shown), "the picture moves")
