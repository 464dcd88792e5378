"""Draws the picture that viewers see while no frames come: the last one, darkened, with a text on it."""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

TEXT: Final = "Reconnecting..."

_DEFAULT_SIZE: Final = (1280, 720)
_MAX_SIZE: Final = (1920, 1920)
_BRIGHTNESS: Final = 0.35
_QUALITY: Final = 80


def draw(name: str, last: bytes | None) -> bytes:
    """Return a JPEG of the size of the `last` one. It takes about 20 ms, too long for the event loop."""
    picture = _darkened(last)
    canvas = ImageDraw.Draw(picture)
    width, height = picture.size
    size = max(12, width // 24)
    for text, y in ((name, height // 2 - size), (TEXT, height // 2 + size // 2)):
        canvas.text((width // 2, y), text, fill="white", font=ImageFont.load_default(size), anchor="mm")
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def _darkened(last: bytes | None) -> Image.Image:
    if last is not None:
        try:
            with Image.open(io.BytesIO(last), formats=["JPEG"]) as image:
                # A camera may send up to 16 MiB of JPEG: it is decoded no larger than a screen.
                image.draft("RGB", _MAX_SIZE)
                return ImageEnhance.Brightness(image.convert("RGB")).enhance(_BRIGHTNESS)
        except OSError, ValueError, SyntaxError, Image.DecompressionBombError:
            pass  # It came from the network and may be broken. The text can be shown without it.
    return Image.new("RGB", _DEFAULT_SIZE, "black")
