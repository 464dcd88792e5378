"""Finds the one JPEG in what a camera delivers: odd cameras put bytes before it, inside it and after it."""

import io
import re

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.jpeg import EOI, SOI, Header, JpegError

_MAX_ATTEMPTS = 4
_MAX_SEGMENTS = 1024
_ANY_MARKER = re.compile(rb"\xff[^\x00\xff]")
# In scan data, 0xFF is followed by 0, by a restart marker or by another 0xFF (T.81, B.1.1.5).
_END_OF_SCAN = re.compile(rb"\xff[^\x00\xff\xd0-\xd7]")
_SOI_MARKER, _EOI_MARKER, _SCAN_MARKER = 0xD8, 0xD9, 0xDA
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_FOLLOWS_A_SCAN = frozenset({0xC4, 0xCC, 0xDA, 0xDB, 0xDC, 0xDD, *range(0xE0, 0xF0), 0xFE})

_FILLINGS = (bytes(64), b"\xaa" * 64, b"\x6d\xb6\xdb" * 24)

_SEARCHED_AT_FIRST = 5
_SEARCHED_EVERY = 30
_SEARCHED_AFTER_ODD = 300


class JpegParser:
    """Parses the buffers of one camera.

    To search a picture of 200 kB for its end takes about 0.15 ms on a PC and ten times as long on a small Pi. So only
    the first buffers and every 30th are searched, and all of them for a while once one was odd. Of the others only the
    headers and the last two bytes are read, which takes microseconds.
    """

    def __init__(self) -> None:
        """Begin with buffers that are searched."""
        self._parsed = 0
        self._searches = _SEARCHED_AT_FIRST
        self._last_headers = b""
        self._last_header: Header | None = None

    def parse(self, buffer: bytes) -> bytes:
        """Return the JPEG in `buffer`, which is `buffer` itself when there is nothing else in it.

        Bytes before and after the picture and between its segments are left out; an end marker that is missing is
        added. Raises `JpegError` when the picture is cut off, or is one that no camera sends.
        """
        return self.parse_with_header(buffer)[0]

    def parse_with_header(self, buffer: bytes) -> tuple[bytes, Header]:
        """Return the JPEG in `buffer`, as `parse` does, and its header."""
        self._parsed += 1
        if self._searches == 0 and self._parsed % _SEARCHED_EVERY and (header := self._header_if_plain(buffer)):
            return buffer, header
        try:
            picture = extract(buffer)
        except JpegError:
            self._searches = _SEARCHED_AFTER_ODD
            raise
        self._searches = max(0, self._searches - 1) if picture is buffer else _SEARCHED_AFTER_ODD
        return picture, jpeg.read_header(picture)

    def _header_if_plain(self, buffer: bytes) -> Header | None:
        """Return the header if the buffer starts and ends as a JPEG of one scan and its headers are good, else None.

        Most cameras send the same headers with each picture, up to the data of the scan.
        """
        if not buffer.endswith(EOI):
            return None
        if self._last_header is not None and buffer.startswith(self._last_headers):
            return self._last_header
        try:
            header = jpeg.read_header(buffer)
            jpeg.check_size(header)
        except JpegError:
            return None
        if header.buffered:
            return None
        self._last_header, self._last_headers = header, buffer[: _end_of_segment(buffer, header.scan)]
        return header


def extract(buffer: bytes) -> bytes:
    """Return the first whole JPEG in `buffer`, which is `buffer` itself when there is nothing else in it.

    Raises `JpegError` with what is wrong with the first one when there is none.
    """
    start: int | None = 0
    failure: JpegError | None = None
    for _ in range(_MAX_ATTEMPTS):
        start = -1 if start is None else buffer.find(SOI, start)
        if start < 0:
            break
        try:
            return _extract_at(buffer, start)
        except _DamagedError as error:
            failure, start = failure or error, error.resume
    raise failure or JpegError("there is no JPEG in it" if buffer else "it is empty")


class _DamagedError(JpegError):
    """The picture is damaged. The next one may begin at the offset `resume`, or, if that is None, there is no other.

    What looks like a picture before `resume` may be a thumbnail of the damaged one.
    """

    def __init__(self, message: str, resume: int | None = None) -> None:
        super().__init__(message)
        self.resume = resume


def _extract_at(buffer: bytes, start: int) -> bytes:
    pieces, scan = _headers(buffer, start)
    end, has_marker = _end_of_picture(buffer, scan)
    if has_marker:
        whole = start == 0 and end == len(buffer) and len(pieces) == 1
        picture = buffer if whole else b"".join((*pieces, buffer[scan:end]))
        _check(picture)
        return picture
    picture = b"".join((*pieces, buffer[scan:end]))
    header = _check(picture)
    # Where a progressive picture is cut off does not show, and no camera sends one.
    if header.buffered or not _has_all_blocks(picture):
        raise _DamagedError("it is cut off before its end", end)
    return picture + EOI


def _check(picture: bytes) -> Header:
    header = jpeg.read_header(picture)
    jpeg.check_size(header)
    # One scan is decoded at once; only a decoder that holds all coefficients goes on to the next.
    jpeg.check_scans(header, picture.count(b"\xff\xda", header.scan) if header.buffered else 1)
    return header


def _headers(buffer: bytes, start: int) -> tuple[list[bytes], int]:
    """Return the headers of the JPEG at `start`, in pieces without what does not belong, and the offset of its scan."""
    pieces, kept_from, offset = [], start, start + len(SOI)
    for _ in range(_MAX_SEGMENTS):
        found = _ANY_MARKER.search(buffer, offset)
        if found is None:
            raise _DamagedError("it is cut off before its picture")
        marker, at = buffer[found.start() + 1], found.start()
        is_stray = marker in _STANDALONE or buffer.count(b"\xff", offset, at) != at - offset
        if is_stray:
            pieces.append(buffer[kept_from:offset])
            kept_from = found.end() if marker in _STANDALONE else at
        if marker in _STANDALONE:
            offset = found.end()
            continue
        if marker == _SCAN_MARKER:
            pieces.append(buffer[kept_from:at])
            return pieces, at
        if marker in {_SOI_MARKER, _EOI_MARKER}:
            raise _DamagedError("it has no picture in it", at if marker == _SOI_MARKER else found.end())
        offset = _end_of_segment(buffer, at)
    raise _DamagedError("it has more headers than any camera sends")


def _end_of_picture(buffer: bytes, scan: int) -> tuple[int, bool]:
    """Return the offset after the picture whose first scan is at `scan`, and whether it has an end marker."""
    offset = scan
    for _ in range(_MAX_SEGMENTS):
        offset = _end_of_segment(buffer, offset)
        found = _END_OF_SCAN.search(buffer, offset)
        if found is None:
            return _end_without_marker(buffer), False
        marker = buffer[found.start() + 1]
        if marker == _EOI_MARKER:
            return found.end(), True
        if marker not in _FOLLOWS_A_SCAN:
            return found.start(), False
        offset = found.start()
    raise _DamagedError("it has more scans than any camera sends")


def _end_without_marker(buffer: bytes) -> int:
    end = len(buffer.rstrip(b"\0"))
    if end == len(buffer):
        return len(buffer.rstrip(b"\xff"))  # half an end marker
    return end + 1 if buffer[end - 1] == 0xFF else end  # noqa: PLR2004  (a stuffed zero belongs to its 0xFF)


def _end_of_segment(buffer: bytes, offset: int) -> int:
    length = int.from_bytes(buffer[offset + 2 : offset + 4], "big")
    if length < 2 or offset + 2 + length > len(buffer):  # noqa: PLR2004  (the length counts its own two bytes)
        raise _DamagedError("it is cut off in its headers")
    return offset + 2 + length


def _has_all_blocks(picture: bytes) -> bool:
    """Whether a JPEG without end marker has data for all of its blocks.

    What follows the last block is ignored by a decoder. So the picture is whole if it looks the same whatever follows.
    It is decoded at an eighth of its size, where each block has one pixel, which takes some milliseconds.
    """
    from PIL import Image  # noqa: PLC0415

    looks = set()
    data = jpeg.decodable(jpeg.with_huffman_tables(picture))
    for filling in _FILLINGS:
        try:
            with Image.open(io.BytesIO(data + filling + EOI), formats=["JPEG"]) as image:
                image.draft(None, (max(1, image.width // 8), max(1, image.height // 8)))
                looks.add(image.tobytes())
        except Exception as error:
            # Pillow does not document what it raises for a damaged picture.
            raise JpegError("it is damaged") from error
    return len(looks) == 1
