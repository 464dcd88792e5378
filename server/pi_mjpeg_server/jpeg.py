"""What can be read from a JPEG's bytes without decoding it (ITU-T T.81, annex B)."""

_SOI = b"\xff\xd8"
_EOI = b"\xff\xd9"
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD9)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_START_OF_SCAN = 0xDA
_MARKER = 0xFF


class JpegError(ValueError):
    """These bytes are not a whole JPEG; the message says what is wrong with them."""


def check(jpeg: bytes) -> None:
    """Raise `JpegError` unless `jpeg` begins and ends as a JPEG does: what a truncated picture fails."""
    if not jpeg.startswith(_SOI):
        raise JpegError("it does not begin as a JPEG")
    if not jpeg.rstrip(b"\0").endswith(_EOI):
        raise JpegError("it is cut off before its end")


def size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels, as the frame header states them.

    Walks the segments, so a thumbnail inside an EXIF segment is never mistaken for the picture.
    Raises `JpegError` when there is no frame header.
    """
    if not jpeg.startswith(_SOI):
        raise JpegError("it does not begin as a JPEG")
    at = len(_SOI)
    while at + 4 <= len(jpeg) and jpeg[at] == _MARKER:
        marker = jpeg[at + 1]
        if marker == _MARKER:
            at += 1
        elif marker in _STANDALONE:
            at += 2
        elif marker in _START_OF_FRAME and at + 9 <= len(jpeg):
            height = int.from_bytes(jpeg[at + 5 : at + 7], "big")
            width = int.from_bytes(jpeg[at + 7 : at + 9], "big")
            return width, height
        elif marker == _START_OF_SCAN:
            break
        else:
            at += 2 + int.from_bytes(jpeg[at + 2 : at + 4], "big")
    raise JpegError("it has no frame header")


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    """Return the JPEG with an EXIF segment that says how to turn it (EXIF 2.3, tag 0x0112; 6 is 90 degrees clockwise).

    The segment holds no thumbnail, whose end marker some readers take for the picture's own.
    """
    entry = b"\x01\x12\x00\x03\x00\x00\x00\x01" + orientation.to_bytes(2, "big") + b"\0\0"
    tiff = b"MM\x00\x2a\x00\x00\x00\x08" + b"\x00\x01" + entry + b"\0\0\0\0"
    body = b"Exif\0\0" + tiff
    return b"".join((_SOI, b"\xff\xe1", (len(body) + 2).to_bytes(2, "big"), body, jpeg[len(_SOI) :]))
