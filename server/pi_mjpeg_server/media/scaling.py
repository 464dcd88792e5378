"""Scale frames down: in threads, one at a time per camera, and once per frame and size for any number of requests."""

import asyncio
import io
from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Frame

if TYPE_CHECKING:
    from PIL import Image

SCALING_TIMEOUT = 10.0
"""Seconds until a request gives up; a Pi Zero 2 scales a picture of 12 megapixels in less than three."""

_CACHE_SIZE = 8
_MAX_WAITING = 16
_MAX_THREADS = 4
_MAX_DECODED_PIXELS = 16 * 1024 * 1024  # Pillow takes four bytes for each
_QUALITY = 80
STREAM_QUALITY = 70
"""The JPEG quality of a stream's pictures, a fifth smaller than those of `_QUALITY`: there are many a second."""

_QUARTER_TURNS = frozenset({5, 6, 7, 8})  # EXIF 2.3, tag 0x0112

MIN_SIDE, MAX_SIDE = 16, 8192
"""Limits of a requested width or height, in pixels."""


class ScalingError(Exception):
    """The frame cannot be scaled; the message says why."""


class Scaler:
    """Scales frames, and caches the newest copies.

    A picture of 12 megapixels takes 40 to 140 MB while it is scaled, and the smallest Pi, which has one camera, has
    512 MB. Therefore one picture of a camera is scaled at a time, and at most four in all. Each is scaled in a daemon
    thread, so neither the other cameras nor the end of the process wait for a picture that takes long.
    """

    def __init__(self) -> None:
        """Start with an empty cache."""
        self._copies: OrderedDict[tuple[str, int, int | None, int | None, int], bytes] = OrderedDict()
        self._threads = asyncio.Semaphore(_MAX_THREADS)
        self._locks: dict[str, asyncio.Lock] = {}
        self._waiting: Counter[str] = Counter()
        self._running: set[asyncio.Task[bytes]] = set()

    async def scale(
        self, camera: str, frame: Frame, width: int | None, height: int | None, quality: int = _QUALITY
    ) -> bytes:
        """Return a JPEG that fits into `width` x `height` pixels and keeps the aspect ratio. It is never enlarged.

        An EXIF orientation is applied first, so the size is that of the picture as it is shown. Raises `ScalingError`
        for a frame that cannot be decoded, when too many requests are waiting for this camera, and after
        `SCALING_TIMEOUT` seconds.
        """
        if width is None and height is None:
            return frame.jpeg
        if self._waiting[camera] >= _MAX_WAITING:
            # Each request that waits keeps a frame in memory.
            raise ScalingError(f"{_MAX_WAITING} pictures are waiting to be scaled already")
        self._waiting[camera] += 1
        try:
            async with asyncio.timeout(SCALING_TIMEOUT):
                return await self._scale_in_turn(camera, frame, width, height, quality)
        except TimeoutError:
            raise ScalingError(f"the picture was not scaled within {SCALING_TIMEOUT:g} s") from None
        except RuntimeError as error:
            raise ScalingError(f"no thread to scale the picture in: {error}") from error
        finally:
            self._waiting[camera] -= 1

    async def _scale_in_turn(
        self, camera: str, frame: Frame, width: int | None, height: int | None, quality: int
    ) -> bytes:
        key = (camera, frame.sequence, width, height, quality)
        lock = self._locks.setdefault(camera, asyncio.Lock())
        await lock.acquire()
        try:
            copy = self._copies.get(key)
            if copy is not None:
                lock.release()
                return copy
            await self._threads.acquire()
        except BaseException:
            lock.release()
            raise
        run = run_in_daemon_thread(lambda: _scale(frame.jpeg, width, height, quality), "scaler")
        scaling = asyncio.create_task(run)
        self._running.add(scaling)

        def end(scaling: asyncio.Task[bytes]) -> None:
            # A thread cannot be ended. The next picture of this camera waits for it, even if its request does not.
            self._running.discard(scaling)
            self._threads.release()
            lock.release()
            if not scaling.cancelled() and scaling.exception() is None:
                self._copies[key] = scaling.result()
                while len(self._copies) > _CACHE_SIZE:
                    self._copies.popitem(last=False)

        scaling.add_done_callback(end)
        return await asyncio.shield(scaling)


def scale_picture(picture: bytes, width: int | None, height: int | None) -> bytes:
    """Return a JPEG that fits into `width` x `height` pixels, as `Scaler.scale` does: here and now, in this thread.

    Raises `ScalingError`.
    """
    return _scale(picture, width, height)


def _scale(picture: bytes, width: int | None, height: int | None, quality: int = _QUALITY) -> bytes:
    try:
        jpeg.check_limits(picture)
        return _smaller(picture, width, height, quality)
    except jpeg.JpegError as error:
        raise ScalingError(f"the picture cannot be scaled: {error}") from error
    except ScalingError:
        raise
    except Exception as error:
        # Pillow does not document what it raises for a damaged picture: SyntaxError and AttributeError were seen too.
        raise ScalingError("the picture is damaged and cannot be scaled") from error


def _smaller(picture: bytes, width: int | None, height: int | None, quality: int) -> bytes:
    from PIL import Image  # noqa: PLC0415  (a server that never scales never needs Pillow)

    orientation = jpeg.exif_orientation(picture)
    with Image.open(io.BytesIO(jpeg.decodable(picture)), formats=["JPEG"]) as image:
        is_turned = orientation in _QUARTER_TURNS
        max_width, max_height = (height, width) if is_turned else (width, height)
        ratio = min((max_width or MAX_SIDE) / image.width, (max_height or MAX_SIDE) / image.height)
        if ratio >= 1:
            return picture
        size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
        # libjpeg decodes to a half, a quarter or an eighth of the size for a fraction of the time.
        image.draft(None, size)
        if image.width * image.height > _MAX_DECODED_PIXELS:
            raise ScalingError(
                f"{size[0]}x{size[1]} pixels are too many for a picture as large as this one: ask for less"
            )
        small = image.resize(size)
    small = small if small.mode in {"L", "RGB"} else small.convert("RGB")
    turned = turn_upright(small, orientation)
    buffer = io.BytesIO()
    turned.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def turn_upright(image: "Image.Image", orientation: int) -> "Image.Image":
    """Return the picture as it is to be shown, by its EXIF orientation."""
    from PIL.Image import Transpose  # noqa: PLC0415

    method = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }.get(orientation)
    return image if method is None else image.transpose(method)
