"""Draws the pictures that viewers see instead of the live one: while no frames come, and while the camera is off."""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from ..pictures import PictureThreads, UndecodableError, decode, shown_size

RECONNECTING: Final = "Reconnecting..."
OFF: Final = "Camera is off"

_DEFAULT_SIZE: Final = (1280, 720)
_MAX_SIZE: Final = (1920, 1920)
_LETTERS: Final = (8, 80)
"""Least and most pixels of a letter. A very wide picture would have letters that take more memory than itself."""

_MAX_NAME: Final = 40
_BRIGHTNESS: Final = 0.35
_QUALITY: Final = 80


class PlacardDrawer:
    """Draws the placards of one camera."""

    def __init__(self, name: str, threads: PictureThreads) -> None:
        """Write `name` on the placards."""
        self.name = name
        self._threads = threads

    async def draw_stalled(self, last: bytes | None) -> bytes:
        """Return a placard made of the `last` picture."""
        return await self._threads.run(draw_stalled, self.name, last)

    async def draw_off(self, size: tuple[int, int] | None, max_width: int | None = None) -> bytes:
        """Return a placard that says that the camera is off."""
        return await self._threads.run(draw_off, self.name, size, max_width)


def draw_stalled(name: str, last: bytes | None) -> bytes:
    """Return a JPEG of the shape of the `last` one. It takes about 20 ms, too long for the event loop."""
    return _labelled(_darkened(last), name, RECONNECTING)


def draw_off(name: str, size: tuple[int, int] | None, max_width: int | None = None) -> bytes:
    """Return a JPEG that says that the camera is off, in the shape of a camera whose pictures have this `size`."""
    return _labelled(_black(size, max_width), name, OFF)


def _black(size: tuple[int, int] | None, max_width: int | None = None) -> Image.Image:
    width, height = size or _DEFAULT_SIZE
    ratio = min(1.0, (max_width or _MAX_SIZE[0]) / width, _MAX_SIZE[1] / height)
    return Image.new("RGB", (max(1, round(width * ratio)), max(1, round(height * ratio))), "black")


def _labelled(picture: Image.Image, name: str, text: str) -> bytes:
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    least, most = _LETTERS
    size = min(max(least, min(width // 24, height // 4)), most)
    shown = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 3]}..."
    for line, y in ((shown, height // 2 - size), (text, height // 2 + size // 2)):
        canvas.text((width // 2, y), line, fill="white", font=ImageFont.load_default(size), anchor="mm")
    drawn = io.BytesIO()
    picture.save(drawn, "JPEG", quality=_QUALITY)
    return drawn.getvalue()


def _darkened(last: bytes | None) -> Image.Image:
    if last is None:
        return _black(None)
    try:
        return ImageEnhance.Brightness(decode(last)).enhance(_BRIGHTNESS)
    except UndecodableError:
        return _black(shown_size(last))
