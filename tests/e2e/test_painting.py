"""Browsers paint the frame that was sent last, not the one before."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page

from tests.e2e.firefox import firefox
from tests.e2e.pictures import BrowserPage
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_IMAGE_LOADED = "document.querySelector('.picture img')?.naturalWidth > 0"

# By way of a bitmap: drawn directly, Firefox's canvas shows the stream's first picture for ever.
_LEVEL = """createImageBitmap(document.querySelector(".picture img")).then((bitmap) => {
  const context = document.createElement("canvas").getContext("2d");
  context.drawImage(bitmap, 0, 0, 1, 1);
  return context.getImageData(0, 0, 1, 1).data[0];
})"""


@pytest.fixture
def slow() -> Script:
    return Script(fps=1)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, slow: Script) -> AsyncIterator[Served]:
    """A server whose camera gives one frame per second, each with another grey level."""
    async with serving(tmp_path, [camera(slow, linger=5)]) as running:
        yield running


async def test_chromium_paints_the_last_frame(served: Served, slow: Script, page: Page) -> None:
    await page.goto(served.url)
    await assert_fresh(served, slow, page)


async def test_firefox_paints_the_last_frame(served: Served, slow: Script, tmp_path: Path) -> None:
    async with firefox(tmp_path / "firefox") as tab:
        await tab.navigate(served.url)
        await assert_fresh(served, slow, tab)


async def assert_fresh(served: Served, slow: Script, page: BrowserPage) -> None:
    """Assert that the page shows each frame soon after it was sent, including the first one."""
    (front,) = served.server.cameras
    await until(lambda: any(viewer.send_rate.count for viewer in front.viewers), 20)
    await asyncio.sleep(0.5)
    assert await page.evaluate(_IMAGE_LOADED)
    painted = []
    for _ in range(5):
        frames = slow.frames
        await until(lambda: slow.frames > frames, 5)  # noqa: B023  (called before the next iteration)
        await asyncio.sleep(0.3)
        painted.append((slow.frames % 200, await page.evaluate(_LEVEL)))
    # JPEG changes a grey level by at most one, and consecutive frames differ by one.
    assert all(abs(sent - seen) <= 0.6 for sent, seen in painted), painted
