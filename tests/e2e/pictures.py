"""Whether bytes are a picture, and which picture a browser shows."""

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
    """Decode a JPEG whole, and return its width and height; raises an OSError when it is none, or cut short."""
    with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
        image.load()
        return image.size


async def shown(image: Locator) -> str:
    """Return the pixels that an `<img>` shows now, without what a card lays over it and moves, such as its state."""
    return str(await image.evaluate(_PIXELS))


class Evaluating(Protocol):
    """A tab of some browser."""

    async def evaluate(self, expression: str) -> Any:  # noqa: ANN401  (JSON)
        """Return the value of an expression of JavaScript."""


async def until_true(page: Evaluating, expression: str, seconds: float = 15) -> None:
    """Wait until an expression is true in a page, also while the browser goes from one page to another.

    Playwright's own wait evaluates it as the page's script would, which our security policy forbids.
    """
    async with asyncio.timeout(seconds):
        while True:
            # Between two pages there is nothing that could be asked.
            with contextlib.suppress(AssertionError, Error):
                if await page.evaluate(expression):
                    return
            await asyncio.sleep(0.05)
