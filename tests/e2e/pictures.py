"""Whether bytes are a picture, and which picture a browser shows."""

import io

from PIL import Image
from playwright.async_api import Locator

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
