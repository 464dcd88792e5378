"""A picture that stands still is connected anew, one that moves is left alone; in each browser."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.e2e.firefox import firefox
from tests.e2e.pictures import Evaluating
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script(fps=5), linger=5)]) as running:
        yield running


async def test_in_chromium(served: Served, page: Page) -> None:
    await page.goto(served.url)
    await assert_heals(served, page)


async def test_in_firefox(served: Served, tmp_path: Path) -> None:
    async with firefox(tmp_path / "firefox") as tab:
        await tab.go(served.url)
        await assert_heals(served, tab)


async def assert_heals(served: Served, page: Evaluating) -> None:
    """Assert that a page keeps its connection while the picture moves, and makes another one when it does not."""
    (front,) = served.server.cameras
    await until(lambda: len(front.viewers) == 1, 20)
    (first,) = front.viewers
    # Longer than a picture may stand still.
    await asyncio.sleep(14)
    assert list(front.viewers) == [first]
    # From now on the page's picture stays as it is, as behind a connection that died without a word.
    await page.evaluate("document.querySelector('.picture img').src = 'snapshot.jpg'")
    await until(lambda: first not in front.viewers, 10)
    await until(lambda: len(front.viewers) == 1, 30)
