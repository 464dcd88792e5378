"""Checks of pictures, and of what a browser shows."""

import asyncio
import contextlib
import io
from typing import Any, Protocol

from PIL import Image
from playwright.async_api import Error, Locator

_PIXELS = """image => {
    const canvas = document.createElement("canvas");
    canvas.width = image.naturalWidth;
    canvas.height = image.naturalHeight;
    canvas.getContext("2d").drawImage(image, 0, 0);
    return canvas.toDataURL("image/png");
}"""


def size(picture: bytes) -> tuple[int, int]:
    """Decode a JPEG completely and return its width and height. Raises OSError if it is invalid or truncated."""
    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
        image.load()
        return image.size


async def pixels(image: Locator) -> str:
    """Return the pixels of an `<img>` without what a card draws over it, such as the state."""
    return str(await image.evaluate(_PIXELS))


class BrowserPage(Protocol):
    """A page of any browser."""

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """Return the value of a JavaScript expression."""


async def until_true(page: BrowserPage, expression: str, seconds: float = 15) -> None:
    """Wait until an expression is true in a page, also during a navigation.

    Playwright's own wait evaluates the expression in the page, which the Content Security Policy forbids.
    """
    async with asyncio.timeout(seconds):
        while True:
            # During a navigation there is no page to evaluate in.
            with contextlib.suppress(AssertionError, Error):
                if await page.evaluate(expression):
                    return
            await asyncio.sleep(0.05)
