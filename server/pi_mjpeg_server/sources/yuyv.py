"""Encodes YUYV, the raw format of webcams without a JPEG encoder, as JPEG, with Pillow."""

import io

_LIMITED_LUMA = bytes(min(255, max(0, round((level - 16) * 255 / 219))) for level in range(256))
_LIMITED_CHROMA = bytes(min(255, max(0, round((level - 128) * 255 / 224 + 128))) for level in range(256))


def encode(data: bytes, size: tuple[int, int], quality: int, *, full_range: bool) -> bytes:
    """Return the JPEG of a YUYV picture (4:2:2, two bytes per pixel, lines without padding).

    JFIF is full range; a picture in limited range (16 to 235, BT.601) is expanded to it.
    """
    from PIL import Image

    width, height = size
    luma, blue, red = data[0::2], data[1::4], data[3::4]
    if not full_range:
        luma, blue, red = luma.translate(_LIMITED_LUMA), blue.translate(_LIMITED_CHROMA), red.translate(_LIMITED_CHROMA)
    chroma = (Image.frombytes("L", (width // 2, height), plane).resize(size) for plane in (blue, red))
    image = Image.merge("YCbCr", (Image.frombytes("L", size, luma), *chroma))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, subsampling="4:2:2")
    return buffer.getvalue()
