"""The picture that viewers see while the camera cannot be reached: the last one, darkened, with words on it."""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont

WORDS: Final = "Reconnecting..."

_EMPTY: Final = (1280, 720)
_LARGEST: Final = (1920, 1920)
_DARKENED: Final = 0.35
_QUALITY: Final = 80


def draw(name: str, last: bytes | None) -> bytes:
    """Return a JPEG of the size of the `last` one. Takes some 20 ms, so not for the event loop."""
    picture = _darkened(last)
    pen = ImageDraw.Draw(picture)
    width, height = picture.size
    size = max(12, width // 24)
    for text, y in ((name, height // 2 - size), (WORDS, height // 2 + size // 2)):
        pen.text((width // 2, y), text, fill="white", font=ImageFont.load_default(size), anchor="mm")
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def size_of(jpeg: bytes) -> tuple[int, int] | None:
    """Return a JPEG's width and height by its header, None when it has none."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            return image.size
    except OSError, ValueError, Image.DecompressionBombError:
        return None


def _darkened(last: bytes | None) -> Image.Image:
    if last is not None:
        try:
            with Image.open(io.BytesIO(last), formats=["JPEG"]) as image:
                # A camera may send up to 16 MiB of JPEG: it is decoded no larger than a screen.
                image.draft("RGB", _LARGEST)
                return ImageEnhance.Brightness(image.convert("RGB")).enhance(_DARKENED)
        except OSError, ValueError, SyntaxError, Image.DecompressionBombError:
            pass  # It came from the network; without it there are still the words.
    return Image.new("RGB", _EMPTY, "black")
