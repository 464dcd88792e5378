"""Draws the picture that viewers see while no frames come: the last one, darkened, with a text on it."""

import asyncio
import io
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

from ..api import jpeg

TEXT: Final = "Reconnecting..."

MAX_DRAWINGS: Final = 2
"""How many threads of Home Assistant's draw placards at a time. It has 64 for everything."""

_DEFAULT_SIZE: Final = (1280, 720)
_MAX_SIZE: Final = (1920, 1920)
_LETTERS: Final = (8, 80)
"""Least and most pixels of a letter. A very wide picture would have letters that take more memory than itself."""

_MAX_NAME: Final = 40
_BRIGHTNESS: Final = 0.35
_QUALITY: Final = 80


class PlacardDrawer:
    """Draws the placards of one camera in threads, each after the former one has ended.

    A thread goes on when nobody waits for its picture any more. A camera whose pictures are expensive to decode must
    not have one more of them in each gap.
    """

    def __init__(
        self,
        name: str,
        slots: asyncio.Semaphore,
        run_in_thread: Callable[[Callable[[str, bytes | None], bytes], str, bytes | None], asyncio.Future[bytes]],
    ) -> None:
        """Write `name` on the placards. All cameras share the `slots`."""
        self._name = name
        self._slots = slots
        self._run_in_thread = run_in_thread
        self._turn = asyncio.Lock()
        self._drawing: asyncio.Future[bytes] | None = None

    async def draw(self, last: bytes | None) -> bytes:
        """Return a placard made of the `last` picture."""
        async with self._turn:
            if self._drawing is not None:
                await asyncio.wait([self._drawing])
            await self._slots.acquire()
            self._drawing = self._run_in_thread(draw, self._name, last)
            self._drawing.add_done_callback(lambda _: self._slots.release())
            return await asyncio.shield(self._drawing)


def draw(name: str, last: bytes | None) -> bytes:
    """Return a JPEG of the size of the `last` one. It takes about 20 ms, too long for the event loop."""
    picture = _darkened(last)
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    least, most = _LETTERS
    size = min(max(least, min(width // 24, height // 4)), most)
    shown = name if len(name) <= _MAX_NAME else f"{name[: _MAX_NAME - 3]}..."
    for text, y in ((shown, height // 2 - size), (TEXT, height // 2 + size // 2)):
        canvas.text((width // 2, y), text, fill="white", font=ImageFont.load_default(size), anchor="mm")
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
                return ImageEnhance.Brightness(image.convert("RGB")).enhance(_BRIGHTNESS)
        except Exception:  # noqa: BLE001, S110 - it came from the network, and a decoder raises anything; a text alone will do
            pass
    return Image.new("RGB", _DEFAULT_SIZE, "black")
