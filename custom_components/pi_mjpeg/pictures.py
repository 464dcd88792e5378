"""JPEGs as people see them: their size, upright copies, and the sizes that may be asked for."""

import io
import struct
from typing import Final

from PIL import ExifTags, Image, ImageOps

MIN_SIDE: Final = 16
MAX_SIDE: Final = 8192
"""In pixels. The server refuses a size outside of these."""

UNREADABLE: Final = (
    OSError,
    ValueError,
    SyntaxError,
    AttributeError,
    LookupError,
    TypeError,
    EOFError,
    ArithmeticError,
    struct.error,
    Image.DecompressionBombError,
)
"""What Pillow raises for a damaged picture. It documents only the first and the last."""

_QUALITY: Final = 85
_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})
_TURNS: Final = frozenset({2, 3, 4}) | _QUARTER_TURNS
"""EXIF 2.3, tag 0x0112."""


def side(pixels: int | None) -> int | None:
    """Return the width or height that the server can be asked for instead of this one. None stands for any.

    Cards ask for 0 while they are not laid out, and for any number that a person wrote into one.
    """
    return None if pixels is None or pixels < 1 else min(max(pixels, MIN_SIDE), MAX_SIDE)


def shown_size(jpeg: bytes) -> tuple[int, int] | None:
    """Return the width and height at which a JPEG is shown, from its header, or None if that is unreadable."""
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            return image.size[::-1] if _orientation(image) in _QUARTER_TURNS else image.size
    except UNREADABLE:
        return None


def upright(jpeg: bytes, width: int | None, height: int | None) -> bytes:
    """Return a JPEG whose pixels are as it is shown, and that fits into a size if it had to be made for that.

    Home Assistant drops the EXIF orientation when it scales a picture, and what it is given to does not know of it. A
    JPEG without one is returned unchanged, as is one that cannot be read. It takes up to a second for 12 megapixels.
    """
    try:
        with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
            orientation = _orientation(image)
            if orientation not in _TURNS:
                return jpeg
            box = (width or MAX_SIDE, height or MAX_SIDE)
            # It decodes no more of the picture than the size needs.
            image.thumbnail(box[::-1] if orientation in _QUARTER_TURNS else box)
            copy = io.BytesIO()
            ImageOps.exif_transpose(image).convert("RGB").save(copy, "JPEG", quality=_QUALITY)
            return copy.getvalue()
    except UNREADABLE:
        return jpeg


def _orientation(image: Image.Image) -> object:
    return image.getexif().get(ExifTags.Base.Orientation)
