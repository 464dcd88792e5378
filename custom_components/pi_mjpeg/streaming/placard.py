"""Draws the pictures that viewers see instead of the live one: while no frames come, and while the camera is off."""

import io
from typing import Final

from PIL import Image, ImageDraw, ImageEnhance, ImageFont, ImageOps

from ..pictures import UNREADABLE

RECONNECTING: Final = "Reconnecting..."
OFF: Final = "Camera is off"

_DEFAULT_SIZE: Final = (1280, 720)
_MAX_SIZE: Final = (1920, 1920)
_BRIGHTNESS: Final = 0.35
_QUALITY: Final = 80


def draw_gap(name: str, last: bytes | None) -> bytes:
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
    size = max(12, width // 24)
    for line, y in ((name, height // 2 - size), (text, height // 2 + size // 2)):
        canvas.text((width // 2, y), line, fill="white", font=ImageFont.load_default(size), anchor="mm")
    jpeg = io.BytesIO()
    picture.save(jpeg, "JPEG", quality=_QUALITY)
    return jpeg.getvalue()


def _darkened(last: bytes | None) -> Image.Image:
    if last is not None:
        try:
            with Image.open(io.BytesIO(last), formats=["JPEG"]) as image:
                # A camera may send up to 16 MiB of JPEG: it is decoded no larger than a screen.
                image.draft("RGB", _MAX_SIZE)
                shown = ImageOps.exif_transpose(image).convert("RGB")
                return ImageEnhance.Brightness(shown).enhance(_BRIGHTNESS)
        except UNREADABLE:
            pass  # It came from the network and may be broken. The text can be shown without it.
    return Image.new("RGB", _DEFAULT_SIZE, "black")
