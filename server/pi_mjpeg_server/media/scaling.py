"""Smaller copies of a frame: one is made at a time, in a thread, and once per frame and size however many ask."""

import asyncio
import io
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from pi_mjpeg_server.media.frame import Frame

_KEPT = 8
_MAX_WAITING = 16
_MAX_PIXELS = 64_000_000  # the largest sensor that is sold for a Raspberry Pi
_QUALITY = 80

_ON_ITS_SIDE = frozenset({5, 6, 7, 8})  # EXIF 2.3, tag 0x0112

SMALLEST, LARGEST = 16, 8192
"""Bounds of a width or height that can be asked for, in pixels."""


class ScalingError(Exception):
    """There is no smaller copy of this frame; the message says why."""


class Scaler:
    """The scaled copies of one server's newest frames.

    A picture of 12 megapixels takes 36 MB while it is scaled, and the smallest Pi has 512: hence one at a time, and a
    thread for it alone, so that nothing else waits behind it.
    """

    def __init__(self) -> None:
        """Begin with none; the thread comes with the first."""
        self._copies: OrderedDict[tuple[str, int, int | None, int | None], bytes] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scaler")
        self._turn = asyncio.Lock()
        self._waiting = 0

    async def scaled(self, camera: str, frame: Frame, width: int | None, height: int | None) -> bytes:
        """Return a JPEG that fits into `width` x `height` pixels and keeps its shape; never larger than the frame.

        The size is that of the picture as it is shown: one that EXIF says to turn is turned in the copy. Raises
        `ScalingError` for a frame that cannot be decoded, and when too many wait already.
        """
        if width is None and height is None:
            return frame.jpeg
        if self._waiting >= _MAX_WAITING:
            # Each who waits holds a frame.
            raise ScalingError(f"{_MAX_WAITING} pictures wait to be scaled already")
        key = (camera, frame.sequence, width, height)
        self._waiting += 1
        try:
            async with self._turn:
                if key not in self._copies:
                    work = asyncio.get_running_loop().run_in_executor(self._thread, _scale, frame.jpeg, width, height)
                    self._copies[key] = await work
                    while len(self._copies) > _KEPT:
                        self._copies.popitem(last=False)
                return self._copies[key]
        finally:
            self._waiting -= 1


def _scale(jpeg: bytes, width: int | None, height: int | None) -> bytes:
    try:
        return _smaller(jpeg, width, height)
    except ScalingError:
        raise
    except Exception as error:
        # What a damaged picture makes Pillow raise is not documented: SyntaxError and AttributeError were seen too.
        raise ScalingError("the picture is damaged and cannot be scaled") from error


def _smaller(jpeg: bytes, width: int | None, height: int | None) -> bytes:
    from PIL import ExifTags, Image, ImageOps  # noqa: PLC0415  (a server that never scales never needs Pillow)

    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ScalingError(f"a picture of {image.width}x{image.height} pixels is too large to be scaled here")
        on_its_side = image.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
        wide, high = (height, width) if on_its_side else (width, height)
        ratio = min((wide or LARGEST) / image.width, (high or LARGEST) / image.height)
        if ratio >= 1:
            return jpeg
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        # The decoder itself leaves out what a picture of half, quarter or eighth size does not need.
        image.draft(None, size)
        small = ImageOps.exif_transpose(image.resize(size))
        buffer = io.BytesIO()
        (small if small.mode == "L" else small.convert("RGB")).save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue()
