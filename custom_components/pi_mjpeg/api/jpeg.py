"""Reads the headers of a JPEG, to refuse what no camera sends before anything decodes it (ITU-T T.81, annex B).

A picture of 130 KB can keep a decoder busy for minutes, or fill gigabytes of memory.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from ..const import KIB

MAX_SIDE: Final = 16_384
MAX_PIXELS: Final = 65_000_000
"""The largest sensor sold for a Raspberry Pi has 9248x6944 pixels."""

MAX_SCANS: Final = 100
"""Encoders write about ten. A decoder visits the whole picture once per scan, however few bytes the scan has."""

MAX_BUFFERED_PIXELS: Final = 12_500_000
"""A picture in several scans is decoded as a whole in memory."""

MAX_BUFFERED_BYTES: Final = 8 * KIB * KIB
"""What 12 megapixels take at a high quality."""

MAX_BUFFERED_COEFFICIENTS: Final = 25_000_000
"""Of two bytes each."""

MAX_SCANNED_PIXELS: Final = 16 * MAX_BUFFERED_PIXELS
"""Pixels times scans. A decoder needs about a nanosecond for each."""

MAX_SEGMENTS: Final = 512
MAX_EXIF_BYTES: Final = 0xFFFF
"""What fits into one segment, as EXIF 2.3 has it. Decoders join several, and crafted megabytes take them minutes."""

MAX_HEADER_TO_DECODE: Final = 16 * KIB
"""Four quantisation and eight Huffman tables take less than 3000 bytes."""

_SECONDS_PER_BYTE: Final = 16e-9
_SECONDS_PER_COEFFICIENT: Final = 0.5e-9
"""For each scan. Both were measured with Pillow on one core of a PC, for pictures that are reduced while decoding."""

_START: Final = b"\xff\xd8"
_SCAN: Final = 0xDA
_PROGRESSIVE: Final = 0xC2
_APP1: Final = 0xE1
_FRAME_HEADERS: Final = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SHOWN_BY_BROWSERS: Final = frozenset({0xC0, 0xC1, _PROGRESSIVE})
"""Baseline, extended and progressive, with Huffman codes."""

_WITHOUT_LENGTH: Final = frozenset({0x01, *range(0xD0, 0xD8)})
_NEVER_BEFORE_A_SCAN: Final = frozenset({0x00, 0xD8, 0xD9})
_NEEDED_TO_DECODE: Final = _SHOWN_BY_BROWSERS | {0xC4, 0xDB, 0xDD}
"""Besides the frame header: Huffman and quantisation tables, and the restart interval."""

_COLOUR_SEGMENTS: Final = ((b"\xff\xe0", b"JFIF\0", 16), (b"\xff\xee", b"Adobe", 14))
"""Marker, name and length of the segments that say which colours there are (JFIF 1.02; Adobe's technical note 5116)."""

_EXIF: Final = b"Exif\0\0"
_ORIENTATION: Final = 0x0112
_QUARTER_TURNS: Final = frozenset({5, 6, 7, 8})
"""EXIF 2.3, tag 0x0112."""


class JpegError(ValueError):
    """The bytes are no JPEG, or one that no camera sends. The message says why."""


@dataclass(frozen=True, slots=True)
class _Frame:
    """A frame header. `sampling` has the horizontal and the vertical factor of each component."""

    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    progressive: bool

    @property
    def coefficients(self) -> int:
        widest = max(horizontal for horizontal, _ in self.sampling)
        highest = max(vertical for _, vertical in self.sampling)
        columns, rows = -(-self.width // (8 * widest)), -(-self.height // (8 * highest))
        return 64 * columns * rows * sum(horizontal * vertical for horizontal, vertical in self.sampling)


def check(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels. Raises `JpegError` for what is not safe to decode.

    It takes some microseconds for a picture in one scan, and up to 10 ms for the largest in several.
    """
    frame, scan = _read_headers(jpeg)
    if _has_several_scans(jpeg, frame, scan):
        _check_scans(jpeg, scan, frame)
    return frame.width, frame.height


def shown_size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels of the picture as it is shown. Raises `JpegError`."""
    frame, _ = _read_headers(jpeg)
    size = frame.width, frame.height
    return size[::-1] if orientation(jpeg) in _QUARTER_TURNS else size


def decoding_time(jpeg: bytes) -> float:
    """Return the seconds that it takes to decode about, by the headers. Raises `JpegError`.

    It is that of a picture which is decoded to an eighth of its size at least.
    """
    frame, scan = _read_headers(jpeg)
    scans = jpeg.count(b"\xff\xda", scan) if _has_several_scans(jpeg, frame, scan) else 1
    return len(jpeg) * _SECONDS_PER_BYTE + scans * frame.coefficients * _SECONDS_PER_COEFFICIENT


def orientation(jpeg: bytes) -> int:
    """Return the EXIF orientation, 1 to 8; 1 if there is none or it is damaged. Raises `JpegError`.

    Nothing else of the EXIF data is read. Decoders read all of it, and 64 KB that were made for it take them 0.4 s.
    """
    for marker, offset in _segments(jpeg):
        if marker == _APP1 and jpeg.startswith(_EXIF, offset + 4):
            return _orientation_in(jpeg[offset + 4 + len(_EXIF) : offset + 2 + _number(jpeg, offset + 2)])
    return 1


def _orientation_in(tiff: bytes) -> int:
    """Return the orientation in the first directory of a TIFF file (TIFF 6.0, section 2)."""
    order: Literal["big", "little"] = "big" if tiff.startswith(b"MM") else "little"
    directory = int.from_bytes(tiff[4:8], order)
    count = int.from_bytes(tiff[directory : directory + 2], order)
    for entry in range(directory + 2, min(directory + 2 + 12 * count, len(tiff) - 11), 12):
        if int.from_bytes(tiff[entry : entry + 2], order) == _ORIENTATION:
            value = int.from_bytes(tiff[entry + 8 : entry + 10], order)
            return value if 1 <= value <= 8 else 1  # noqa: PLR2004 - the orientations
    return 1


def decodable(jpeg: bytes) -> bytes:
    """Return the JPEG with only those segments before its picture that a decoder needs. Raises `JpegError`.

    Pillow reads the others too. Neither the orientation nor a thumbnail is among what is left.
    """
    pieces = [_START]
    length = 0
    for marker, offset in _segments(jpeg):
        if marker == _SCAN:
            pieces.append(jpeg[offset:])
            break
        if marker in _NEEDED_TO_DECODE:
            pieces.append(jpeg[offset : offset + 2 + _number(jpeg, offset + 2)])
            length += len(pieces[-1])
            if length > MAX_HEADER_TO_DECODE:
                raise JpegError("its tables are longer than a camera's")
        else:
            pieces.append(_colour_segment(jpeg, offset))
    return b"".join(pieces)


def _colour_segment(jpeg: bytes, offset: int) -> bytes:
    """Return what the segment at an offset says about the colours, without a thumbnail; nothing for other segments."""
    for marker, name, length in _COLOUR_SEGMENTS:
        is_whole = _number(jpeg, offset + 2) >= length
        if is_whole and jpeg.startswith(marker, offset) and jpeg.startswith(name, offset + 4):
            body = jpeg[offset + 4 : offset + 2 + length]
            if name == b"JFIF\0":
                body = body[:-2] + b"\0\0"  # width and height of the thumbnail
            return marker + length.to_bytes(2, "big") + body
    return b""


def _read_headers(jpeg: bytes) -> tuple[_Frame, int]:
    """Return the frame header and the offset of the first scan. Raises `JpegError` for a size that no camera has."""
    frame: _Frame | None = None
    exif = 0
    for marker, offset in _segments(jpeg):
        if marker == _APP1 and jpeg.startswith(b"Exif", offset + 4):
            exif += _number(jpeg, offset + 2)
            if exif > MAX_EXIF_BYTES:
                raise JpegError("it has more EXIF data than a camera sends")
        elif marker in _FRAME_HEADERS:
            if frame is not None:
                raise JpegError("it has two frame headers")
            if marker not in _SHOWN_BY_BROWSERS:
                raise JpegError("it is coded in a way that no browser shows")
            frame = _read_frame(jpeg, offset, progressive=marker == _PROGRESSIVE)
        elif marker == _SCAN and frame is not None:
            return frame, offset
        elif marker == _SCAN:
            break
    raise JpegError("it has no frame header")


def _segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of each segment up to the first scan. Raises `JpegError` when there is none."""
    if not jpeg.startswith(_START):
        raise JpegError("it does not begin as a JPEG")
    offset = len(_START)
    for _ in range(MAX_SEGMENTS):
        if offset + 4 > len(jpeg):
            raise JpegError("it is cut off before its picture")
        marker = jpeg[offset + 1]
        if jpeg[offset] != 0xFF or marker in _NEVER_BEFORE_A_SCAN:  # noqa: PLR2004 - the first byte of each marker
            raise JpegError("its headers are damaged")
        if marker == 0xFF:  # noqa: PLR2004 - a fill byte before a marker
            offset += 1
        elif marker in _WITHOUT_LENGTH:
            offset += 2
        else:
            length = _number(jpeg, offset + 2)
            if length < 2 or offset + 2 + length > len(jpeg):  # noqa: PLR2004 - it counts its own two bytes
                raise JpegError("its headers are damaged")
            yield marker, offset
            if marker == _SCAN:
                return
            offset += 2 + length
    raise JpegError("it has more headers than a camera sends")


def _read_frame(jpeg: bytes, offset: int, *, progressive: bool) -> _Frame:
    """Read the frame header at `offset` (T.81, B.2.2) and check the size of the picture. Raises `JpegError`."""
    header = jpeg[offset + 4 : offset + 2 + _number(jpeg, offset + 2)]
    height, width = _number(header, 1), _number(header, 3)
    sampling = tuple((factors >> 4, factors & 15) for factors in header[7::3])
    if not sampling or header[5] != len(sampling) or len(header) != 6 + 3 * len(sampling):
        raise JpegError("its frame header is damaged")
    if not (width and height and all(1 <= factor <= 4 for pair in sampling for factor in pair)):  # noqa: PLR2004 - T.81, table B.2
        raise JpegError("its frame header is damaged")
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise JpegError(f"it has {width}x{height} pixels, which no camera has")
    return _Frame(width, height, sampling, progressive)


def _has_several_scans(jpeg: bytes, frame: _Frame, offset: int) -> bool:
    """Return whether the picture is not complete with its first scan, at `offset`. Raises `JpegError`.

    A decoder reads no other scan of a picture that is.
    """
    header = jpeg[offset + 4 : offset + 2 + _number(jpeg, offset + 2)]
    if not header or len(header) != 4 + 2 * header[0]:
        raise JpegError("its scan header is damaged")
    return frame.progressive or header[0] < len(frame.sampling)


def _check_scans(jpeg: bytes, offset: int, frame: _Frame) -> None:
    """Check what a picture in several scans costs, of which the first is at `offset`. Raises `JpegError`."""
    pixels = frame.width * frame.height
    if len(jpeg) > MAX_BUFFERED_BYTES or pixels > MAX_BUFFERED_PIXELS or frame.coefficients > MAX_BUFFERED_COEFFICIENTS:
        raise JpegError(f"it has {frame.width}x{frame.height} pixels in several scans, which is too much")
    # In the data of a scan FF is never followed by DA. In the headers it may be, which counts too much, not too little.
    scans = jpeg.count(b"\xff\xda", offset)
    if scans > MAX_SCANS or scans * pixels > MAX_SCANNED_PIXELS:
        raise JpegError(f"it has {scans} scans, which is too many for {frame.width}x{frame.height} pixels")


def _number(data: bytes, offset: int) -> int:
    return int.from_bytes(data[offset : offset + 2], "big")
