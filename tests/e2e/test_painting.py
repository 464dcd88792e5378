"""What browsers paint is the frame that was sent, not the one before."""

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

_PLAYS = "document.querySelector('.picture img')?.naturalWidth > 0"

# Not drawn at once: Firefox's canvas would see the stream's first picture for ever.
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
    """A server whose camera gives one frame a second, each another grey."""
    async with serving(tmp_path, [camera(slow, linger=5)]) as running:
        yield running


async def test_chromium_paints_the_frame_that_was_sent(served: Served, slow: Script, page: Page) -> None:
    await page.goto(served.url)
    await assert_fresh(served, slow, page)


async def test_firefox_paints_the_frame_that_was_sent(served: Served, slow: Script, tmp_path: Path) -> None:
    async with firefox(tmp_path / "firefox") as tab:
        await tab.go(served.url)
        await assert_fresh(served, slow, tab)


async def assert_fresh(served: Served, slow: Script, page: Evaluating) -> None:
    """Assert that soon after a frame the page shows that frame, the first one too."""
    (front,) = served.server.cameras
    await until(lambda: any(viewer.send_rate.count for viewer in front.viewers), 20)
    await asyncio.sleep(0.5)
    assert await page.evaluate(_PLAYS)
    painted = []
    for _ in range(5):
        frames = slow.frames
        await until(lambda: slow.frames > frames, 5)  # noqa: B023  (it is called before the next round)
        await asyncio.sleep(0.3)
        painted.append((slow.frames % 200, await page.evaluate(_LEVEL)))
    # A grey of a JPEG is off by one at most, and consecutive frames differ by one: sent and painted rise together.
    assert all(abs(sent - seen) <= 0.6 for sent, seen in painted), painted
