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


def with_crafted_exif(picture: bytes, type_: int) -> bytes:
    """Return the picture with an orientation in an EXIF segment that takes Pillow up to half a second.

    It has 5000 entries, each of which says that nearly the whole segment is its value, an array of this TIFF type.
    """
    length = 65_000
    bytes_of_value = {1: 1, 2: 1, 3: 2, 5: 8, 7: 1, 10: 8, 12: 8}[type_]
    orientation = struct.pack(">HHLHH", 0x0112, 3, 1, 6, 0)
    entries = b"".join(struct.pack(">HHLL", 0x1000 + i, type_, 60_000 // bytes_of_value, 8) for i in range(5000))
    tiff = b"MM\0*" + struct.pack(">LH", 8, 5001) + orientation + entries
    body = b"Exif\0\0" + tiff.ljust(length, b"\0")
    return b"\xff\xd8\xff\xe1" + struct.pack(">H", len(body) + 2) + body + picture[2:]
