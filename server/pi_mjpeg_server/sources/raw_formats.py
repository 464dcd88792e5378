"""Encodes the raw formats of cameras without a JPEG encoder as JPEG, with Pillow."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL import Image

RAW_FORMATS = ("YUYV", "UYVY", "NV12", "GREY")
"""The V4L2 pixel formats that can be encoded, the best first."""

_BYTES_PER_PIXEL = {"YUYV": 2, "UYVY": 2, "NV12": 1, "GREY": 1}
_LIMITED_LUMA = bytes(min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256))
_LIMITED_CHROMA = bytes(min(255, max(0, round((level - 128) * 255 / 224 + 128))) for level in range(256))


def encode(
    data: bytes, pixel_format: str, size: tuple[int, int], bytes_per_line: int, quality: int, *, full_range: bool
) -> bytes:
    """Return the JPEG of a raw picture; `bytes_per_line` is the distance between the starts of two lines, 0 if unknown.

    JFIF is full range; a colour picture in limited range (16 to 235, BT.601) is expanded to it. Raises `ValueError`
    when there are fewer bytes than the picture needs.
    """
    from PIL import Image

    width, height = size
    line = width * _BYTES_PER_PIXEL[pixel_format]
    lines = height + (height + 1) // 2 if pixel_format == "NV12" else height
    data = _without_padding(data, line, max(line, bytes_per_line), lines)
    buffer = io.BytesIO()
    if pixel_format == "GREY":
        Image.frombytes("L", size, data).save(buffer, "JPEG", quality=quality)
        return buffer.getvalue()
    if pixel_format == "NV12":
        chroma = data[width * height :]
        luma, blue, red, subsampling = data[: width * height], chroma[0::2], chroma[1::2], "4:2:0"
    else:
        first = 0 if pixel_format == "YUYV" else 1
        luma, blue, red = data[first::2], data[1 - first :: 4], data[3 - first :: 4]
        subsampling = "4:2:2"
    if not full_range:
        luma, blue, red = luma.translate(_LIMITED_LUMA), blue.translate(_LIMITED_CHROMA), red.translate(_LIMITED_CHROMA)
    planes = [Image.frombytes("L", size, luma)]
    planes += [_enlarged(plane, size, (width // 2, len(plane) // (width // 2))) for plane in (blue, red)]
    Image.merge("YCbCr", planes).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def prepare() -> None:
    """Load the encoder, which takes a small Pi a second: the first pictures would be late."""
    encode(bytes(4), "GREY", (2, 2), 0, 80, full_range=True)


def _enlarged(plane: bytes, size: tuple[int, int], smaller: tuple[int, int]) -> Image.Image:
    from PIL import Image

    return Image.frombytes("L", smaller, plane).resize(size)


def _without_padding(data: bytes, line: int, stride: int, lines: int) -> bytes:
    """Return `lines` lines of `line` bytes each, from lines that begin every `stride` bytes."""
    needed = stride * (lines - 1) + line
    if len(data) < needed:
        raise ValueError(f"it has {len(data)} bytes instead of {needed}")
    if stride == line:
        return data[: line * lines]
    return b"".join(data[start : start + line] for start in range(0, needed, stride))
