"""Draws the pictures that viewers see instead of the live one: while no frames come, and while the camera is off."""

import asyncio
import io
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from ..api import jpeg

RECONNECTING: Final = "Reconnecting..."
OFF: Final = "Camera is off"

MAX_DRAWINGS: Final = 2
"""How many threads of Home Assistant's draw placards at a time. It has 64 for everything."""

_DEFAULT_SIZE: Final = (1280, 720)
_MAX_SIZE: Final = (1920, 1920)
_LETTERS: Final = (8, 80)
"""Least and most pixels of a letter. A very wide picture would have letters that take more memory than itself."""

_MAX_NAME: Final = 40
_BRIGHTNESS: Final = 0.35
_QUALITY: Final = 80


type _Run = Callable[..., asyncio.Future[bytes]]
"""Runs a function with its arguments in a thread."""


class PlacardDrawer:
    """Draws the placards of one camera in threads, each after the former one has ended.

    A thread goes on when nobody waits for its picture any more. A camera whose pictures are expensive to decode must
    not have one more of them each time.
    """

    def __init__(self, name: str, slots: asyncio.Semaphore, run_in_thread: _Run) -> None:
        """Write `name` on the placards. All cameras share the `slots`."""
        self.name = name
        self._slots = slots
        self._run_in_thread = run_in_thread
        self._turn = asyncio.Lock()
        self._drawing: asyncio.Future[bytes] | None = None

    async def draw_stalled(self, last: bytes | None) -> bytes:
        """Return a placard made of the `last` picture."""
        return await self._draw(draw_stalled, last)

    async def draw_off(self, size: tuple[int, int] | None) -> bytes:
        """Return a placard that says that the camera is off."""
        return await self._draw(draw_off, size)

    async def _draw(self, draw: Callable[..., bytes], argument: object) -> bytes:
        async with self._turn:
            if self._drawing is not None:
                await asyncio.wait([self._drawing])
            await self._slots.acquire()
            self._drawing = self._run_in_thread(draw, self.name, argument)
            self._drawing.add_done_callback(lambda _: self._slots.release())
            return await asyncio.shield(self._drawing)


def draw_stalled(name: str, last: bytes | None) -> bytes:
    """Return a JPEG of the size of the `last` one. It takes about 20 ms, too long for the event loop."""
    return _labelled(_darkened(last), name, RECONNECTING)


def draw_off(name: str, size: tuple[int, int] | None) -> bytes:
    """Return a JPEG that says that the camera is off, in the shape of a camera whose pictures have this `size`."""
    width, height = size or _DEFAULT_SIZE
    ratio = min(1.0, _MAX_SIZE[0] / width, _MAX_SIZE[1] / height)
    shape = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    return _labelled(Image.new("RGB", shape, "black"), name, OFF)


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
    if last is not None:
        try:
            jpeg.check(last)
            with Image.open(io.BytesIO(jpeg.decodable(last)), formats=["JPEG"]) as image:
                # A camera may send up to 16 MiB of JPEG: it is decoded no larger than a screen.
                image.draft("RGB", _MAX_SIZE)
                shown = ImageOps.exif_transpose(image).convert("RGB")
                return ImageEnhance.Brightness(shown).enhance(_BRIGHTNESS)
        except Exception:  # noqa: BLE001, S110 - it came from the network, and a decoder raises anything; a text alone will do
            pass
    return Image.new("RGB", _DEFAULT_SIZE, "black")
