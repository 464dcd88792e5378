"""Whether bytes are a picture, and which picture a browser shows."""

import asyncio
import io

from PIL import Image
from playwright.async_api import Locator, Page

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


async def until_true(page: Page, expression: str, seconds: float = 15) -> None:
    """Wait until an expression is true in a page.

    Playwright's own wait evaluates it as the page's script would, which our security policy forbids.
    """
    async with asyncio.timeout(seconds):
        while not await page.evaluate(expression):  # noqa: ASYNC110  (a page has no event of ours)
            await asyncio.sleep(0.05)
