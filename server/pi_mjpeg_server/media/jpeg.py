"""Read and change JPEG headers without decoding the picture (ITU-T T.81, annex B)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

SOI = b"\xff\xd8"
EOI = b"\xff\xd9"

_EOI_MARKER = 0xD9
_STANDALONE = frozenset({0x01, *range(0xD0, 0xD8)})
_START_OF_FRAME = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_PROGRESSIVE = frozenset({0xC2, 0xC6, 0xCA, 0xCE})
_START_OF_SCAN = 0xDA
_HUFFMAN_TABLES = 0xC4
_EXIF = 0xE1
_NEEDED_TO_DECODE = _START_OF_FRAME | {_HUFFMAN_TABLES, 0xCC, 0xDB, 0xDD}
# What these say of the colours, in as many bytes after the marker (JFIF 1.02; Adobe's technical note 5116).
_COLOUR_MARKERS = ((b"\xff\xe0", b"JFIF\0", 16), (b"\xff\xee", b"Adobe", 14))
_FILL = re.compile(rb"\xff*")

MAX_PIXELS = 65_000_000
"""The largest sensor sold for a Raspberry Pi has 9248x6944 pixels."""
MAX_SIDE = 16_384
MAX_SCANS = 100
"""Encoders write about ten scans. A decoder visits the whole picture once per scan, however few bytes the scan has."""
MAX_BUFFERED_PIXELS = 12_500_000
"""A progressive picture is decoded as a whole in memory; the largest that is decoded has 12 megapixels."""
_MAX_BUFFERED_COEFFICIENTS = 25_000_000  # of two bytes each
_MAX_SCANNED_PIXELS = 16 * MAX_BUFFERED_PIXELS
_MAX_SEGMENTS = 512
_MAX_HEADER_TO_DECODE = 16_384  # bytes; four quantisation and eight Huffman tables take less than 3000
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
    """The bytes are not a complete JPEG, or one that no camera sends; the message says what is wrong with them."""


@dataclass(frozen=True, slots=True)
class Header:
    """What the headers of a JPEG say, up to its first scan.

    `sampling` has the horizontal and vertical sampling factor of each component. A decoder holds all coefficients of a
    `buffered` picture in memory, because several scans contribute to them. `scan` is the offset of the first scan.
    `orientation` is that of its EXIF segment, 1 if there is none.
    """

    size: tuple[int, int]
    sampling: tuple[tuple[int, int], ...]
    buffered: bool
    has_huffman_tables: bool
    scan: int
    orientation: int = 1

    @property
    def coefficients(self) -> int:
        """How many coefficients all components have."""
        width, height = self.size
        widest, highest = (max(factors) for factors in zip(*self.sampling, strict=True))
        return sum(
            _blocks(width * horizontal, 8 * widest) * _blocks(height * vertical, 8 * highest) * 64
            for horizontal, vertical in self.sampling
        )


def read_header(jpeg: bytes) -> Header:
    """Return what the headers say. Raises `JpegError` when they are not well formed or nothing follows them."""
    frame: int | None = None
    exif: int | None = None
    progressive = has_huffman_tables = False
    for marker, offset in _segments(jpeg):
        if marker == _START_OF_SCAN:
            if frame is None:
                break
            width, height, sampling = _frame_header(jpeg, frame)
            buffered = progressive or jpeg[offset + 4] < len(sampling)
            orientation = 1 if exif is None else _orientation_at(jpeg, exif)
            return Header((width, height), sampling, buffered, has_huffman_tables, offset, orientation)
        if marker in _START_OF_FRAME:
            if frame is not None:
                raise JpegError("it has two frame headers")
            frame, progressive = offset, marker in _PROGRESSIVE
        elif marker == _HUFFMAN_TABLES:
            has_huffman_tables = True
        elif exif is None and marker == _EXIF and _is_exif(jpeg, offset):
            exif = offset
    raise JpegError("it has no frame header" if frame is None else "it has no picture in it")


def check_limits(jpeg: bytes) -> Header:
    """Return the header of a picture that is safe to decode. Raises `JpegError` for one that no camera sends.

    A decoder would take minutes or gigabytes for such a picture, in spite of its few bytes.
    """
    header = read_header(jpeg)
    check_size(header)
    check_scans(header, jpeg.count(b"\xff\xda", header.scan))
    return header


def check_size(header: Header) -> None:
    """Raise `JpegError` for a picture that is larger than any camera's."""
    (width, height), pixels = header.size, header.size[0] * header.size[1]
    if pixels > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise JpegError(f"a picture of {width}x{height} pixels is too large")
    if header.buffered and (pixels > MAX_BUFFERED_PIXELS or header.coefficients > _MAX_BUFFERED_COEFFICIENTS):
        raise JpegError(f"a progressive picture of {width}x{height} pixels is too large")


def check_scans(header: Header, scans: int) -> None:
    """Raise `JpegError` for more scans than any camera sends. In scan data 0xFF is never followed by 0xDA."""
    pixels = header.size[0] * header.size[1]
    if scans > MAX_SCANS or (header.buffered and scans * pixels > _MAX_SCANNED_PIXELS):
        raise JpegError(f"{scans} scans are too many for a picture of {header.size[0]}x{header.size[1]} pixels")


def size(jpeg: bytes) -> tuple[int, int]:
    """Return width and height in pixels, from the frame header.

    Walks the segments, so a thumbnail inside an EXIF segment is never mistaken for the picture.
    Raises `JpegError` when there is no frame header.
    """
    for marker, offset in _segments(jpeg):
        if marker in _START_OF_FRAME:
            width, height, _ = _frame_header(jpeg, offset)
            return width, height
    raise JpegError("it has no frame header")


def with_huffman_tables(jpeg: bytes, header: Header | None = None) -> bytes:
    """Return the JPEG with the typical Huffman tables before its scan, or the same object if it has its own tables.

    Many webcams omit them, and browsers cannot show such a picture. `header` is its header, if that was read before.
    Raises `JpegError` when there is no scan.
    """
    header = header or read_header(jpeg)
    if header.has_huffman_tables:
        return jpeg
    return b"".join((jpeg[: header.scan], _TYPICAL_TABLES, jpeg[header.scan :]))


def decodable(jpeg: bytes) -> bytes:
    """Return the JPEG with only those segments before its scan that a decoder needs.

    Pillow reads the others too, EXIF for example, and a crafted one takes it seconds. A thumbnail in the JFIF segment
    is left out. Raises `JpegError` when what is needed is longer than it ever is.
    """
    pieces = [SOI]
    length = 0
    for marker, offset in _segments(jpeg):
        if marker == _START_OF_SCAN:
            return b"".join((*pieces, jpeg[offset:]))
        if marker in _NEEDED_TO_DECODE:
            end = offset + 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
            length += end - offset
            if length > _MAX_HEADER_TO_DECODE:
                raise JpegError("its tables are longer than any camera's")
            pieces.append(jpeg[offset:end])
        else:
            pieces.append(_colour_marker(jpeg, offset))
    raise JpegError("it has no picture in it")


def _colour_marker(jpeg: bytes, offset: int) -> bytes:
    """Return what the segment at `offset` says of the colours, without a thumbnail, or nothing."""
    for marker, name, length in _COLOUR_MARKERS:
        whole = int.from_bytes(jpeg[offset + 2 : offset + 4], "big") >= length
        if whole and jpeg.startswith(marker, offset) and jpeg.startswith(name, offset + 4):
            body = bytearray(jpeg[offset + 4 : offset + 2 + length])
            if name == b"JFIF\0":
                body[-2:] = b"\0\0"  # width and height of the thumbnail
            return b"".join((marker, length.to_bytes(2, "big"), body))
    return b""


def _blocks(samples: int, per_block: int) -> int:
    return -(-samples // per_block)


def _frame_header(jpeg: bytes, offset: int) -> tuple[int, int, tuple[tuple[int, int], ...]]:
    """Return width, height and sampling factors from the frame header at `offset` (T.81, B.2.2)."""
    height = int.from_bytes(jpeg[offset + 5 : offset + 7], "big")
    width = int.from_bytes(jpeg[offset + 7 : offset + 9], "big")
    length = int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
    factors = jpeg[offset + 11 : offset + 2 + length : 3]
    sampling = tuple((factor >> 4, factor & 15) for factor in factors)
    count = jpeg[offset + 9] if length > 7 else 0  # noqa: PLR2004  (bytes before the number of components)
    if not width or not height:
        raise JpegError("its width or height is 0")
    if not count or count != len(sampling) or not all(1 <= factor <= 4 for pair in sampling for factor in pair):  # noqa: PLR2004  (T.81, table B.2)
        raise JpegError("its frame header is damaged")
    return width, height, sampling


def _segments(jpeg: bytes) -> Iterator[tuple[int, int]]:
    """Yield marker and offset of each segment up to the first scan, each of which is whole.

    Raises `JpegError` for anything else between them, or more of them than any camera sends.
    """
    if not jpeg.startswith(SOI):
        raise JpegError("it does not start as a JPEG")
    offset = len(SOI)
    for _ in range(_MAX_SEGMENTS):
        if jpeg[offset + 1 : offset + 2] == b"\xff":
            fill = _FILL.match(jpeg, offset)
            offset = max(offset, fill.end() - 1) if fill else offset
        if offset + 4 > len(jpeg):
            raise JpegError("it is cut off before its picture")
        marker = jpeg[offset + 1]
        if jpeg[offset] != 0xFF or marker in {0, 0xD8, _EOI_MARKER}:  # noqa: PLR2004  (the first byte of a marker)
            raise JpegError("its headers are damaged")
        if marker in _STANDALONE:
            offset += 2
            continue
        length = jpeg[offset + 2] << 8 | jpeg[offset + 3]
        if length < 2 or offset + 2 + length > len(jpeg):  # noqa: PLR2004  (the length counts its own two bytes)
            raise JpegError("it is cut off in its headers")
        yield marker, offset
        if marker == _START_OF_SCAN:
            return
        offset += 2 + length
    raise JpegError("it has more headers than any camera sends")


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
        if marker == _EXIF and _is_exif(jpeg, offset):
            return _orientation_at(jpeg, offset)
    return 1


def _is_exif(jpeg: bytes, offset: int) -> bool:
    return jpeg.startswith(b"Exif\0\0", offset + 4)


def _orientation_at(jpeg: bytes, offset: int) -> int:
    """Return the orientation in the EXIF segment at `offset`."""
    end = offset + 2 + int.from_bytes(jpeg[offset + 2 : offset + 4], "big")
    return _orientation_in(jpeg[offset + 10 : end])


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
    return b"".join((SOI, b"\xff\xe1", (len(body) + 2).to_bytes(2, "big"), body, jpeg[len(SOI) :]))
