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
        luma, chroma = Image.frombytes("L", size, data[: width * height]), data[width * height :]
        subsampling = "4:2:0"
    else:
        first, second = _deinterleaved(data, size)
        luma, both = (first, second) if pixel_format == "YUYV" else (second, first)
        chroma, subsampling = both.tobytes(), "4:2:2"
    blue, red = _deinterleaved(chroma, (width // 2, len(chroma) // (width // 2 * 2)))
    if not full_range:
        luma, blue, red = luma.point(_LIMITED_LUMA), blue.point(_LIMITED_CHROMA), red.point(_LIMITED_CHROMA)
    # The encoder takes the mean of the equal pixels, which is what came from the camera.
    planes = [luma, *(plane.resize(size, Image.Resampling.NEAREST) for plane in (blue, red))]
    Image.merge("YCbCr", planes).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return buffer.getvalue()


def prepare() -> None:
    """Load the encoder, which takes a small Pi a second: the first pictures would be late."""
    encode(bytes(4), "GREY", (2, 2), 0, 80, full_range=True)


def _deinterleaved(data: bytes, size: tuple[int, int]) -> tuple[Image.Image, ...]:
    """Return the two planes whose bytes alternate, by Pillow's own code for grey with transparency."""
    from PIL import Image

    return Image.frombytes("LA", size, data).split()


def _without_padding(data: bytes, line: int, stride: int, lines: int) -> bytes:
    """Return `lines` lines of `line` bytes each, from lines that begin every `stride` bytes."""
    needed = stride * (lines - 1) + line
    if len(data) < needed:
        raise ValueError(f"it has {len(data)} bytes instead of {needed}")
    if stride == line:
        return data[: line * lines]
    return b"".join(data[start : start + line] for start in range(0, needed, stride))
