"""Pages of a phone's size in any browser, and what is in the shadow roots of Home Assistant's frontend."""

import base64
import contextlib
import io
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from PIL import Image
from playwright.async_api import Browser, Page

from tests.e2e.firefox import ENTER, ESCAPE, firefox
from tests.e2e.pictures import BrowserPage

_WIDTH, _HEIGHT = 390, 844
_KEYS = {ENTER: "Enter", ESCAPE: "Escape"}

# The elements of a selector, also those inside shadow roots.
_FIND = """(function find(selector, root) {
    return [...root.querySelectorAll("*")].flatMap((element) => [
        ...(element.matches(selector) ? [element] : []),
        ...(element.shadowRoot ? find(selector, element.shadowRoot) : []),
    ]);
})"""

# By way of a bitmap: drawn directly, Firefox's canvas shows the stream's first picture for ever.
_PIXELS = """(async (element) => {
    const bitmap = await createImageBitmap(element);
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [bitmap.width, bitmap.height];
    canvas.getContext("2d").drawImage(bitmap, 0, 0);
    return canvas.toDataURL("image/png").split(",")[1];
})"""


class Phone(BrowserPage, Protocol):
    """A page of a phone's size."""

    async def navigate(self, url: str) -> None:
        """Open a URL."""

    async def type(self, text: str) -> None:
        """Press keys, in WebDriver's notation."""


class _ChromiumPhone:
    def __init__(self, page: Page) -> None:
        self._page = page

    async def navigate(self, url: str) -> None:
        await self._page.goto(url)

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        return await self._page.evaluate(expression)

    async def type(self, text: str) -> None:
        for key in text:
            await self._page.keyboard.press(_KEYS.get(key, key))


@contextlib.asynccontextmanager
async def chromium_phone(browser: Browser) -> AsyncIterator[Phone]:
    """Open a page with an empty profile in Chromium."""
    context = await browser.new_context(viewport={"width": _WIDTH, "height": _HEIGHT})
    try:
        page = await context.new_page()
        page.set_default_timeout(60_000)
        yield _ChromiumPhone(page)
    finally:
        await context.close()


@contextlib.asynccontextmanager
async def firefox_phone(folder: Path) -> AsyncIterator[Phone]:
    """Start a Firefox with a new profile in `folder`."""
    async with firefox(folder) as tab:
        await tab.resize(_WIDTH, _HEIGHT)
        yield tab


def elements(selector: str, root: str = "document") -> str:
    """Return a JavaScript expression for the array of elements below `root` that match, also inside shadow roots."""
    return f"{_FIND}({selector!r}, {root})"


async def shown(phone: Phone, element: str) -> Image.Image:
    """Return what an image or a video, given by a JavaScript expression, shows now, in its own size."""
    png = await phone.evaluate(f"{_PIXELS}({element})")
    return Image.open(io.BytesIO(base64.b64decode(png))).convert("RGB")
