"""Scale frames down: one at a time, in a thread, and once per frame and size for any number of requests."""

import asyncio
import io
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor

from pi_mjpeg_server.media.frame import Frame

_CACHE_SIZE = 8
_MAX_WAITING = 16
_MAX_PIXELS = 64_000_000  # the largest sensor sold for a Raspberry Pi
_QUALITY = 80

_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF 2.3, tag 0x0112

MIN_SIDE, MAX_SIDE = 16, 8192
"""Limits of a requested width or height, in pixels."""


class ScalingError(Exception):
    """The frame cannot be scaled; the message says why."""


class Scaler:
    """Scales frames, and caches the newest copies.

    A picture of 12 megapixels takes 36 MB while it is scaled, and the smallest Pi has 512 MB. Therefore one picture is
    scaled at a time, in a thread of its own, so that nothing else waits for it.
    """

    def __init__(self) -> None:
        """Start with an empty cache; the thread starts with the first scaling."""
        self._copies: OrderedDict[tuple[str, int, int | None, int | None], bytes] = OrderedDict()
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="scaler")
        self._lock = asyncio.Lock()
        self._waiting = 0

    async def scale(self, camera: str, frame: Frame, width: int | None, height: int | None) -> bytes:
        """Return a JPEG that fits into `width` x `height` pixels and keeps the aspect ratio. It is never enlarged.

        An EXIF orientation is applied first, so the size is that of the picture as it is shown. Raises `ScalingError`
        for a frame that cannot be decoded, and when too many requests are waiting.
        """
        if width is None and height is None:
            return frame.jpeg
        if self._waiting >= _MAX_WAITING:
            # Each request that waits keeps a frame in memory.
            raise ScalingError(f"{_MAX_WAITING} pictures are waiting to be scaled already")
        key = (camera, frame.sequence, width, height)
        self._waiting += 1
        try:
            async with self._lock:
                if key not in self._copies:
                    work = asyncio.get_running_loop().run_in_executor(self._thread, _scale, frame.jpeg, width, height)
                    self._copies[key] = await work
                    while len(self._copies) > _CACHE_SIZE:
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
        # Pillow does not document what it raises for a damaged picture: SyntaxError and AttributeError were seen too.
        raise ScalingError("the picture is damaged and cannot be scaled") from error


def _smaller(jpeg: bytes, width: int | None, height: int | None) -> bytes:
    from PIL import ExifTags, Image, ImageOps  # noqa: PLC0415  (a server that never scales never needs Pillow)

    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ScalingError(f"a picture of {image.width}x{image.height} pixels is too large to be scaled here")
        is_turned = image.getexif().get(ExifTags.Base.Orientation) in _QUARTER_TURNS
        max_width, max_height = (height, width) if is_turned else (width, height)
        ratio = min((max_width or MAX_SIDE) / image.width, (max_height or MAX_SIDE) / image.height)
        if ratio >= 1:
            return jpeg
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        # libjpeg decodes to a half, a quarter or an eighth of the size for a fraction of the time.
        image.draft(None, size)
        small = ImageOps.exif_transpose(image.resize(size))
        buffer = io.BytesIO()
        (small if small.mode == "L" else small.convert("RGB")).save(buffer, "JPEG", quality=_QUALITY)
        return buffer.getvalue()
