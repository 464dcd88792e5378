"""The emulated camera: big digits 1, 2, 3 in turn and a clock, drawn by Pillow. It works anywhere."""

from __future__ import annotations

import io
import time
from datetime import datetime
from typing import TYPE_CHECKING

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Device, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.ticker import ticks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PIL import Image

_COLOURS = ((178, 58, 72), (38, 110, 86), (44, 82, 150))
_INK = (255, 255, 255)
_CAPTION_BACKGROUND = (24, 28, 36)


class EmulatedSource:
    """Draws its own pictures. Each shows the present time, and a dot that moves across."""

    def __init__(self, settings: SourceSettings, caption: str = "") -> None:
        """Use the requested size and rate; rotation and flips apply to the drawn picture, which shows the caption."""
        self._settings = settings
        self._caption = caption
        self._fps = settings.fps
        self._backgrounds: list[Image.Image] = []

    @staticmethod
    def devices() -> list[Device]:
        """Return the one device that always exists."""
        return [Device("emulated", "Emulated camera", "drawn pictures, for trying things out")]

    def open(self) -> SourceInfo:
        """Draw the three backgrounds."""
        width, height = self._upright_size()
        self._backgrounds = [
            _background((width, height), str(number), colour, self._caption)
            for number, colour in enumerate(_COLOURS, 1)
        ]
        return SourceInfo(model="Emulated camera", size=self._settings.size, fps=self._settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Yield pictures at the requested rate."""
        for due in ticks(lambda: self._fps):
            yield Picture(self._draw()) if due else None

    def limit_rate(self, fps: float | None) -> None:
        """Draw at most so many pictures a second."""
        self._fps = min(fps or self._settings.fps, self._settings.fps)

    def close(self) -> None:
        """Release the backgrounds."""
        self._backgrounds = []

    def _upright_size(self) -> tuple[int, int]:
        width, height = self._settings.size
        return (height, width) if self._settings.rotation in (90, 270) else (width, height)

    def _draw(self) -> bytes:
        from PIL import Image, ImageDraw, ImageFont, ImageOps

        now = time.time()
        image = self._backgrounds[int(now) % len(self._backgrounds)].copy()
        draw = ImageDraw.Draw(image)
        width, height = image.size
        clock = datetime.fromtimestamp(now).astimezone().strftime("%H:%M:%S.%f")[:-4]
        draw.text((width / 2, height * 0.92), clock, _INK, ImageFont.load_default(height / 12), anchor="mm")
        x = now % 4 / 4 * width
        draw.ellipse((x - height / 40, height * 0.03, x + height / 40, height * 0.08), _INK)
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
