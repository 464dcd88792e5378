"""Open pages after an outage: each asks for the live picture once more, and one that was closed disturbs nobody."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Locator, Page, Request
from tooling.hass_client import until
from tooling.server import Server
from tooling.stack import Stack
from yarl import URL

from tests.e2e.dashboards import open_dashboard
from tests.e2e.more_servers import more_servers
from tests.e2e.pictures import pixels

pytestmark = pytest.mark.asyncio(loop_scope="session")

_OUTAGES = ("stopped", "killed", "frozen")
_OUTAGE = 12.0  # seconds
_SHORT_OUTAGE = 7.0  # seconds, after which a server without pictures takes its camera for broken
_POLLS = 3
"""How often Home Assistant polls afterwards, as it does by itself every 30 seconds."""


@pytest_asyncio.fixture(loop_scope="session")
async def servers(stack: Stack, tmp_path: Path) -> AsyncIterator[dict[str, Server]]:
    """One server for each outage, by the entity id of its camera, on the dashboard of the stack."""
    flags = dict.fromkeys(_OUTAGES, ("--fps", "10"))
    async with more_servers(stack, tmp_path, flags) as running:
        await stack.client.show_live(*running)
        yield running
        await stack.client.show_live(stack.camera)


def _count_streams(page: Page) -> Counter[str]:
    """Return what counts the requests for the live picture by camera."""
    found: Counter[str] = Counter()

    def note(request: Request) -> None:
        if "camera_proxy_stream" in request.url:
            found[URL(request.url).name] += 1

    page.on("request", note)
    return found


def _live(page: Page, camera: str) -> Locator:
    return page.locator(f"img[src*='camera_proxy_stream/{camera}?']")


async def _painted(page: Page, camera: str) -> bool:
    return bool(await _live(page, camera).evaluate("image => image.naturalWidth"))


async def test_each_open_page_reconnects_once(stack: Stack, browser: Browser, servers: dict[str, Server]) -> None:
    """The three outages are at the same time, each of a server of its own. The broker notices all of them."""
    stopped, killed, frozen = servers.values()
    pages = [await _watch(stack, browser, servers) for _ in range(3)]
    try:
        counted = [_count_streams(page) for page in pages]
        stopped.stop()
        killed.kill()
        frozen.freeze()
        await asyncio.sleep(_OUTAGE / 2)
        await pages.pop().context.close()
        await asyncio.sleep(_OUTAGE / 2)
        frozen.thaw()
        await asyncio.gather(stopped.start_and_wait(), killed.start_and_wait())
        await _settle(stack, pages, servers)
        assert counted[:2] == [Counter(dict.fromkeys(servers, 1))] * 2
        # The broker does not notice this outage. Nobody closes a page.
        counted = [_count_streams(page) for page in pages]
        frozen.freeze()
        await asyncio.sleep(_SHORT_OUTAGE)
        frozen.thaw()
        await _settle(stack, pages, servers)
        assert counted == [Counter()] * 2
    finally:
        for page in pages:
            await page.context.close()


async def _watch(stack: Stack, browser: Browser, cameras: Iterable[str]) -> Page:
    """Return a page that shows the live picture of these cameras."""
    page = await open_dashboard(browser, stack)
    for camera in cameras:
        await _live(page, camera).wait_for()
        await until(lambda camera=camera: _painted(page, camera), f"{camera} is painted")  # type: ignore[misc]  # the default binds the variable of the loop
    return page


async def _settle(stack: Stack, pages: Iterable[Page], cameras: Iterable[str]) -> None:
    """Wait until the pictures move in all pages, and for what Home Assistant does at the next polls."""
    for page in pages:
        for camera in cameras:
            await until(lambda page=page, camera=camera: _moves(page, camera), f"{camera} is live")  # type: ignore[misc]  # likewise
    for _ in range(_POLLS):
        await asyncio.sleep(2)
        await stack.client.post("/api/services/homeassistant/update_entity", {"entity_id": list(cameras)})
    await asyncio.sleep(2)
    for page in pages:
        for camera in cameras:
            assert await _moves(page, camera)


async def _moves(page: Page, camera: str) -> bool:
    live = _live(page, camera)
    if not await live.count():
        return False
    first = await pixels(live)
    await asyncio.sleep(0.5)
    return await live.count() > 0 and await pixels(live) != first
