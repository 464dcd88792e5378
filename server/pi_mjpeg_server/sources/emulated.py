"""The emulated camera: big digits 1, 2, 3 in turn and a clock, drawn by Pillow. It works anywhere."""

from __future__ import annotations

import io
import math
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.media.jpeg_rows import ROW_HEIGHT, JpegRows
from pi_mjpeg_server.sources import Device, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.ticker import ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image, ImageDraw

_COLOURS = ((178, 58, 72), (38, 110, 86), (44, 82, 150))
_INK = (255, 255, 255)
_CAPTION_BACKGROUND = (24, 28, 36)


@dataclass(frozen=True, slots=True)
class _Background:
    """What stands still: the encoded picture, and the two parts of it, by their upper edge, in which something moves.

    For a picture that is rotated or flipped there is one part, the whole.
    """

    encoded: JpegRows
    parts: tuple[tuple[int, Image.Image], ...]


class EmulatedSource:
    """Draws its own pictures. Each shows the present time, and a dot that moves across.

    Only the rows with the clock and with the dot are drawn and encoded for each picture, a quarter of it.
    """

    def __init__(self, settings: SourceSettings, caption: str = "") -> None:
        """Use the requested size and rate; rotation and flips apply to the drawn picture, which shows the caption."""
        self._settings = settings
        self._caption = caption
        self._fps = settings.fps
        self._backgrounds: list[_Background] = []
        self._is_turned = bool(settings.rotation or settings.hflip or settings.vflip)

    @staticmethod
    def devices() -> list[Device]:
        """Return the one device that always exists."""
        return [Device("emulated", "Emulated camera", "drawn pictures, for trying things out")]

    def open(self) -> SourceInfo:
        """Draw the three backgrounds."""
        from PIL import ImageFont

        width, height = self._upright_size()
        self._font = ImageFont.load_default(height / 12)
        self._backgrounds = [
            self._split(_background((width, height), str(number), colour, self._caption))
            for number, colour in enumerate(_COLOURS, 1)
        ]
        return SourceInfo(model="Emulated camera", size=self._settings.size, fps=self._settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Yield pictures at the requested rate."""
        for due in ticks(lambda: self._fps):
            yield Picture(self._draw(), size=self._settings.size) if due else None

    def limit_rate(self, fps: float | None) -> None:
        """Draw at most so many pictures a second."""
        self._fps = min(fps or self._settings.fps, self._settings.fps)

    def close(self) -> None:
        """Release the backgrounds."""
        self._backgrounds = []

    def _upright_size(self) -> tuple[int, int]:
        width, height = self._settings.size
        return (height, width) if self._settings.rotation in (90, 270) else (width, height)

    def _split(self, image: Image.Image) -> _Background:
        width, height = image.size
        encoded = JpegRows.encode(image, self._settings.quality)
        clock = self._font.getbbox("0123456789:.", anchor="mm")
        above = _rows(0, 0.08 * height, height)
        below = _rows(0.92 * height + clock[1] - 1, 0.92 * height + clock[3], height)
        edges = [above, below]
        if self._is_turned or above[1] > below[0]:
            edges = [(0, height)]
        return _Background(encoded, tuple((top, image.crop((0, top, width, bottom))) for top, bottom in edges))

    def _draw(self) -> bytes:
        from PIL import ImageDraw

        now = time.time()
        background = self._backgrounds[int(now) % len(self._backgrounds)]
        replaced = []
        for top, part in background.parts:
            image = part.copy()
            self._draw_moving(ImageDraw.Draw(image), top, image.height, now)
            if self._is_turned:
                return self._turned(image)
            replaced.append((top, JpegRows.encode(image, self._settings.quality)))
        return background.encoded.with_rows(replaced)

    def _draw_moving(self, pen: ImageDraw.ImageDraw, top: int, height_of_part: int, now: float) -> None:
        """Draw what moves, as far as it is in the part that begins at `top`."""
        width, height = self._upright_size()
        if top + height_of_part > height / 2:
            clock = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S.%f")[:-4]
            pen.text((width / 2, height * 0.92 - top), clock, _INK, self._font, anchor="mm")
        if top < height / 2:
            x = now % 4 / 4 * width
            pen.ellipse((x - height / 40, height * 0.03 - top, x + height / 40, height * 0.08 - top), _INK)

    def _turned(self, image: Image.Image) -> bytes:
        from PIL import Image, ImageOps

        if self._settings.hflip:
            image = ImageOps.mirror(image)
        if self._settings.vflip:
            image = ImageOps.flip(image)
        transpositions = {
            90: Image.Transpose.ROTATE_270,
            180: Image.Transpose.ROTATE_180,
            270: Image.Transpose.ROTATE_90,
        }
        if self._settings.rotation in transpositions:
            image = image.transpose(transpositions[self._settings.rotation])
        buffer = io.BytesIO()
        image.save(buffer, "JPEG", quality=self._settings.quality)
        return buffer.getvalue()


def _rows(top: float, bottom: float, height: int) -> tuple[int, int]:
    """Return the edges of the rows of blocks between two edges."""
    return (
        math.floor(top / ROW_HEIGHT) * ROW_HEIGHT,
        min(height, math.ceil((bottom + 1) / ROW_HEIGHT) * ROW_HEIGHT),
    )


def _background(size: tuple[int, int], digit: str, colour: tuple[int, int, int], caption: str) -> Image.Image:
    from PIL import Image, ImageDraw, ImageFont

    image = Image.new("RGB", size, colour)
    width, height = size
    font = ImageFont.load_default(height * 0.75)
    pen = ImageDraw.Draw(image)
    pen.text((width / 2, height * 0.48), digit, _INK, font, anchor="mm")
    if caption:
        pen.rectangle((0, height * 0.1, width, height * 0.22), _CAPTION_BACKGROUND)
        font = ImageFont.load_default(min(height / 12, width / 14))
        pen.text((width / 2, height * 0.16), caption, _INK, font, anchor="mm")
    return image
