"""The page reconnects a stream that has stalled, and leaves one alone that moves."""

import asyncio
from pathlib import Path

import pytest
from playwright.async_api import Page

from tests.e2e.firefox import firefox
from tests.e2e.pictures import BrowserPage
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_in_chromium_and_firefox(page: Page, tmp_path: Path) -> None:
    """At the same time, each with a server of its own."""
    await asyncio.gather(in_chromium(page, tmp_path / "chromium"), in_firefox(tmp_path / "firefox"))


async def in_chromium(page: Page, folder: Path) -> None:
    async with serving(folder, [camera(Script(fps=5), linger=5)]) as served:
        await page.goto(served.url)
        await assert_reconnects(served, page)


async def in_firefox(folder: Path) -> None:
    async with serving(folder, [camera(Script(fps=5), linger=5)]) as served, firefox(folder / "firefox") as tab:
        await tab.navigate(served.url)
        await assert_reconnects(served, tab)


async def assert_reconnects(served: Served, page: BrowserPage) -> None:
    """Assert that a page keeps its connection while the picture moves, and reconnects when it stalls."""
    (front,) = served.server.cameras
    await until(lambda: len(front.viewers) == 1, 20)
    (first,) = front.viewers
    # Longer than the stall timeout.
    await asyncio.sleep(14)
    assert list(front.viewers) == [first]
    # The picture stands still from now on, as after a connection that died silently.
    await page.evaluate("document.querySelector('.picture img').src = 'snapshot.jpg'")
    await until(lambda: first not in front.viewers, 10)
    await until(lambda: len(front.viewers) == 1, 30)
