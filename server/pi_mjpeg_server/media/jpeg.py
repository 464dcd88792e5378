"""Read and change JPEG headers without decoding the picture (ITU-T T.81, annex B)."""

from collections.abc import Iterator
from typing import Literal

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_HUFFMAN_TABLES = 0xC4
_EXIF = 0xE1
_MARKER = 0xFF

_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF 2.3, tag 0x0112

# The four typical tables of T.81, K.3, which apply when a UVC camera sends none (USB Video Class 1.1, MJPEG payload).
_TYPICAL_TABLES = bytes.fromhex(
    "ffc4001f0000010501010101010100000000000000000102030405060708090a0bffc400b5100002010303020403050504040000"
    "017d01020300041105122131410613516107227114328191a1082342b1c11552d1f02433627282090a161718191a25262728292a"
    "3435363738393a434445464748494a535455565758595a636465666768696a737475767778797a838485868788898a9293949596"
    "9798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae1e2e3e4e5e6e7e8e9eaf1f2"
    "f3f4f5f6f7f8f9faffc4001f0100030101010101010101010000000000000102030405060708090a0bffc400b511000201020404"
    "03040705040400010277000102031104052131061241510761711322328108144291a1b1c109233352f0156272d10a162434e125"
    "f11718191a262728292a35363738393a434445464748494a535455565758595a636465666768696a737475767778797a82838485"
    "868788898a92939495969798999aa2a3a4a5a6a7a8a9aab2b3b4b5b6b7b8b9bac2c3c4c5c6c7c8c9cad2d3d4d5d6d7d8d9dae2e3"
    "e4e5e6e7e8e9eaf2f3f4f5f6f7f8f9fa"
)


class JpegError(ValueError):
    """The bytes are not a complete JPEG; the message says what is wrong with them."""


def check(jpeg: bytes) -> None:
    """Raise `JpegError` if `jpeg` does not start and end with a JPEG's markers, for example because it is truncated."""
    if not jpeg.startswith(_SOI):
        raise JpegError("it does not start as a JPEG")
    if not jpeg.rstrip(b"\0").endswith(_EOI):
        raise JpegError("it is cut off before its end")


def size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels, from the frame header.

    Walks the segments, so a thumbnail inside an EXIF segment is never mistaken for the picture.
    Raises `JpegError` when there is no frame header.
    """
    for marker, offset in _segments(jpeg):
        if marker in _START_OF_FRAME and offset + 9 <= len(jpeg):
            height = int.from_bytes(jpeg[offset + 5 : offset + 7], "big")
            width = int.from_bytes(jpeg[offset + 7 : offset + 9], "big")
            return width, height
    raise JpegError("it has no frame header")


def upright_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels of the picture as it is shown, its EXIF orientation applied.

    Raises `JpegError` when there is no frame header.
    """
    return upright(size(jpeg), exif_orientation(jpeg))


def upright(size: tuple[int, int], orientation: int) -> tuple[int, int]:
    """Return width and height of a picture of `size` as it is shown with this EXIF orientation."""
    return (size[1], size[0]) if orientation in _QUARTER_TURNS else size


def exif_orientation(jpeg: bytes) -> int:
    """Return the EXIF orientation, 1 to 8 (EXIF 2.3, tag 0x0112); 1 when there is none or it is damaged."""
    for marker, offset in _segments(jpeg):
        end = offset + 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
        if marker == _EXIF and jpeg[offset + 4 : offset + 10] == b"Exif\0\0":
            return _orientation_in(jpeg[offset + 10 : end])
    return 1


def _orientation_in(tiff: bytes) -> int:
    """Return the orientation in the first directory of a TIFF file (TIFF 6.0, section 2)."""
    order: Literal["big", "little"] = "big" if tiff[:2] == b"MM" else "little"
    directory = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[directory : directory + 2], order)
    for entry in range(directory + 2, min(directory + 2 + 12 * count, len(tiff) - 11), 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == 0x0112:  # noqa: PLR2004  (the tag)
            value = int.from_bytes(tiff[entry + 8 : entry + 10], order)
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004  (orientations)
    return 1


def with_huffman_tables(jpeg: bytes) -> bytes:
    """Return the JPEG with the typical Huffman tables before its scan, or the same object if it has its own tables.

    Many webcams omit them, and browsers cannot show such a picture. Raises `JpegError` when there is no scan.
    """
    for marker, offset in _segments(jpeg):
        if marker == _HUFFMAN_TABLES:
            return jpeg
        if marker == _START_OF_SCAN:
            return b"".join((jpeg[:offset], _TYPICAL_TABLES, jpeg[offset:]))
    raise JpegError("it has no picture in it")


def _segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of each segment up to the scan. Raises `JpegError` if `jpeg` does not start as a JPEG."""
    if not jpeg.startswith(_SOI):
        raise JpegError("it does not start as a JPEG")
    offset = len(_SOI)
    while offset + 4 <= len(jpeg) and jpeg[offset] == _MARKER:
        marker = jpeg[offset + 1]
        if marker == _MARKER:
            offset += 1
        elif marker in _STANDALONE:
            offset += 2
        else:
            yield marker, offset
            if marker == _START_OF_SCAN:
                return
            offset += 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")


def orientation(rotation: int, *, hflip: bool = False, vflip: bool = False) -> int:
    """Return the EXIF orientation (1 to 8) of flips followed by a clockwise rotation in degrees, a multiple of 90."""
    turns = rotation // 90 + (2 if vflip else 0)
    return ((2, 7, 4, 5) if hflip != vflip else (1, 6, 3, 8))[turns % 4]


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Return the JPEG with an EXIF segment that holds the orientation (EXIF 2.3, tag 0x0112), or `jpeg` itself for 1.

    The segment has no thumbnail, because some clients take its end marker for the end of the picture.
    """
    if orientation == 1:
        return jpeg
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return b"".join((_SOI, b"\xff\xe1", (len(body) + 2).to_bytes(2, "big"), body, jpeg[len(_SOI) :]))
