"""Encodes the raw formats of cameras without a JPEG encoder as JPEG, with Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

RAW_FORMATS = ("YUYV", "UYVY", "NV12", "GREY")
"""The V4L2 pixel formats that can be encoded, the best first."""

_BYTES_PER_PIXEL = {"YUYV": 2, "UYVY": 2, "NV12": 1, "GREY": 1}
_LIMITED_LUMA = tuple(min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256))
_LIMITED_CHROMA = tuple(min(255, max(0, round((level - 128) * 255 / 224 + 128))) for level in range(256))


def encoded_size(pixel_format: str, size: tuple[int, int]) -> tuple[int, int]:
    """Return width and height of the picture that `encode` gives: with colours, two pixels share one, so it is even."""
    return size if pixel_format == "GREY" else (size[0] // 2 * 2, size[1])


def encode(
    data: bytes, pixel_format: str, size: tuple[int, int], bytes_per_line: int, quality: int, *, full_range: bool
) -> bytes:
    """Return the JPEG of a raw picture; `bytes_per_line` is the distance between the starts of two lines, 0 if unknown.

    JFIF is full range; a colour picture in limited range (16 to 235, BT.601) is expanded to it. It has the size
    `encoded_size`. Raises `ValueError` when there are fewer bytes than the picture needs.
    """
    from PIL import Image

    own_line = _line_bytes(pixel_format, size[0])
    size = width, height = encoded_size(pixel_format, size)
    lines = height + (height + 1) // 2 if pixel_format == "NV12" else height
    # Some drivers tell a distance that their pictures do not have.
    line = _line_bytes(pixel_format, width)
    is_told = bytes_per_line >= line and len(data) != own_line * lines
    data = _without_padding(data, line, bytes_per_line if is_told else own_line, lines)
    buffer = io.BytesIO()
    if pixel_format == "GREY":
        Image.frombytes("L", size, data).save(buffer, "JPEG", quality=quality)
        return buffer.getvalue()
    if pixel_format == "NV12":
        luma, chroma = Image.frombytes("L", size, data[: width * height]), data[width * height :]
        blue, red = Image.frombytes("LA", (width // 2, len(chroma) // (width // 2 * 2)), chroma).split()
        if not full_range:
            luma, blue, red = luma.point(_LIMITED_LUMA), blue.point(_LIMITED_CHROMA), red.point(_LIMITED_CHROMA)
    else:
        luma, blue, red = _unpacked(data, pixel_format, size, full_range=full_range)
    # Pillow takes whole planes. The encoder halves them again, in both directions: with the
    # colours of each line it would take an eighth more time and a fifth more bytes.
    planes = [luma, *(plane.resize(size, Image.Resampling.NEAREST) for plane in (blue, red))]
    Image.merge("YCbCr", planes).save(buffer, "JPEG", quality=quality, subsampling="4:2:0")
    return buffer.getvalue()


def prepare() -> None:
    """Load the encoder, which takes a small Pi a second: the first pictures would be late."""
    encode(bytes(4), "GREY", (2, 2), 0, 80, full_range=True)


def _unpacked(
    data: bytes, pixel_format: str, size: tuple[int, int], *, full_range: bool
) -> tuple[Image.Image, Image.Image, Image.Image]:
    """Return luma, blue and red of YUYV or UYVY, both chroma planes with half of the width.

    Two pixels have four bytes, which Pillow's own code for pictures of four and of two bands takes apart and joins.
    """
    from PIL import Image

    pairs = Image.frombytes("RGBA", (size[0] // 2, size[1]), data)
    luma, chroma = _LIMITED_LUMA, _LIMITED_CHROMA
    if not full_range:
        pairs = pairs.point((luma + chroma if pixel_format == "YUYV" else chroma + luma) * 2)
    bands = pairs.split()
    left, blue, right, red = bands if pixel_format == "YUYV" else (bands[1], bands[0], bands[3], bands[2])
    return Image.frombytes("L", size, Image.merge("LA", (left, right)).tobytes()), blue, red


def _line_bytes(pixel_format: str, width: int) -> int:
    """Return the bytes of a line; with colours, its last pixels are as many bytes as a pair."""
    return (width if pixel_format == "GREY" else width + width % 2) * _BYTES_PER_PIXEL[pixel_format]


def _without_padding(data: bytes, line: int, stride: int, lines: int) -> bytes:
    """Return `lines` lines of `line` bytes each, from lines that begin every `stride` bytes."""
    needed = stride * (lines - 1) + line
    if len(data) < needed:
        raise ValueError(f"it has {len(data)} bytes instead of {needed}")
    if stride == line:
        return data[: line * lines]
    return b"".join(data[start : start + line] for start in range(0, needed, stride))
