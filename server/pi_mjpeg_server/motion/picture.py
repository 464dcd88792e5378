"""A JPEG as the detector sees it: small, grey and upright."""

import io

from PIL import Image

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.scaling import turn_upright

LONG_SIDE = 160
"""Pixels of the longer side. An eighth of 1280, so a picture of 720p is decoded without any transform."""
_STEP = 10  # both sides are multiples of it, so that blocks of 2 and of 5 pixels fill the picture
_MIN_SIDE = 20


def decode(picture: bytes) -> Image.Image:
    """Return a JPEG upright, in grey, with `LONG_SIDE` pixels on its longer side.

    Raises `JpegError`, which is a `ValueError`, for a picture that cannot be decoded or that no camera sends.
    """
    jpeg.check_limits(picture)
    orientation = jpeg.exif_orientation(picture)
    try:
        with Image.open(io.BytesIO(jpeg.decodable(picture)), formats=["JPEG"]) as image:
            size = _small_size(image.size)
            image.draft("L", size)
            grey = image if image.mode == "L" else image.convert("L")
            small = grey.resize(size, Image.Resampling.BOX)
    except jpeg.JpegError:
        raise
    except Exception as error:
        # Pillow does not document what it raises for a damaged picture: SyntaxError and AttributeError were seen too.
        raise jpeg.JpegError("it is damaged") from error
    return turn_upright(small, orientation)


def _small_size(size: tuple[int, int]) -> tuple[int, int]:
    longer = max(size)
    width, height = (max(_MIN_SIDE, _STEP * round(LONG_SIDE * side / longer / _STEP)) for side in size)
    return width, height
