"""Pictures that cost a decoder far more than their bytes suggest, and good ones."""

import io
import struct

from PIL import Image


def encoded(width: int, height: int, mode: str = "RGB", **options: object) -> bytes:
    """Return a real JPEG of one colour."""
    file = io.BytesIO()
    Image.new(mode, (width, height), "white").save(file, "JPEG", **options)
    return file.getvalue()


def with_scans(picture: bytes, count: int) -> bytes:
    """Return the progressive picture with its last scan `count` times more."""
    last = picture[picture.rindex(b"\xff\xda") : -2]
    return picture[:-2] + last * count + b"\xff\xd9"


def with_size(picture: bytes, width: int, height: int) -> bytes:
    """Return the picture with another size in its frame header."""
    at = next(picture.index(bytes([0xFF, kind])) for kind in (0xC0, 0xC2) if bytes([0xFF, kind]) in picture)
    return picture[: at + 5] + struct.pack(">HH", height, width) + picture[at + 9 :]
