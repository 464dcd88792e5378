"""JPEGs as people see them: their size, upright copies, and the sizes that may be asked for."""

import io
from typing import Final

from PIL import Image

from .api import jpeg

MIN_SIDE: Final = 16
MAX_SIDE: Final = 8192
"""In pixels. The server refuses a size outside of these."""

_QUALITY: Final = 85
_TURNS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""By EXIF orientation."""

_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})


def side(pixels: int | None) -> int | None:
    """Return the width or height that the server can be asked for instead of this one. None stands for any.

    Cards ask for 0 while they are not laid out, and for any number that a person wrote into one.
    """
    return None if pixels is None or pixels < 1 else min(max(pixels, MIN_SIDE), MAX_SIDE)


def shown_size(picture: bytes) -> tuple[int, int] | None:
    """Return the width and height at which a JPEG is shown, from its headers, or None if those are unreadable."""
    try:
        width, height = jpeg.check(picture)
    except jpeg.JpegError:
        return None
    return (height, width) if jpeg.orientation(picture) in _QUARTER_TURNS else (width, height)


def upright(picture: bytes, width: int | None, height: int | None) -> bytes:
    """Return a JPEG whose pixels are as it is shown, and that fits into a size if it had to be made for that.

    Home Assistant drops the EXIF orientation when it scales a picture, and what it is given to does not know of it. A
    JPEG without one is returned unchanged, as is one that cannot be read. It takes up to a second for 12 megapixels.
    """
    orientation = jpeg.orientation(picture)
    if orientation not in _TURNS:
        return picture
    box = (width or MAX_SIDE, height or MAX_SIDE)
    try:
        jpeg.check(picture)
        with Image.open(io.BytesIO(jpeg.decodable(picture)), formats=["JPEG"]) as image:
            # It decodes no more of the picture than the size needs.
            image.thumbnail(box[::-1] if orientation in _QUARTER_TURNS else box)
            copy = io.BytesIO()
            apply_orientation(image.convert("RGB"), orientation).save(copy, "JPEG", quality=_QUALITY)
            return copy.getvalue()
    except Exception:  # noqa: BLE001 - it came from the network, and a decoder raises anything
        return picture


def apply_orientation(image: Image.Image, orientation: int) -> Image.Image:
    """Return the image as it is shown."""
    return image.transpose(_TURNS[orientation]) if orientation in _TURNS else image
