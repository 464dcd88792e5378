"""JPEGs as people see them: their size, upright copies, and the threads that decode and draw them."""

import asyncio
import io
from collections.abc import Callable
from typing import Final

from PIL import Image

from .api import jpeg
from .api.errors import PiMjpegError

MIN_SIDE: Final = 16
MAX_SIDE: Final = 8192
"""In pixels. The server refuses a size outside of these."""

MAX_THREADS: Final = 2
"""How many threads of Home Assistant's decode and draw pictures at a time. It has 64 for everything."""

MAX_WAITING: Final = 8
"""How many requests wait for the pictures of one camera. Each keeps a picture of up to 16 MiB in memory."""

MAX_DECODING_TIME: Final = 0.03
"""In seconds. A frame of 4K takes about as long. With what is done with it after that, it is 50 ms at most."""

MAX_DECODED_PIXELS: Final = 1920 * 1088
_REDUCTIONS: Final = (1, 2, 4, 8)
"""A decoder can leave out all but one pixel of so many in a row, for a fraction of the time."""

_QUALITY: Final = 85
_TRANSPOSITIONS: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What has to be done to a picture of each orientation (EXIF 2.3, tag 0x0112)."""

type RunInThread = Callable[..., asyncio.Future[bytes]]
"""Runs a function with its arguments in a thread."""


class UndecodableError(ValueError):
    """A picture is damaged, or would take too long to decode."""


class PictureThreads:
    """Does what takes a while with the pictures of one camera in threads, each after the former one has ended.

    A thread goes on when nobody waits for its picture any more. A camera whose pictures are expensive to decode must
    not have one more of them with each request.
    """

    def __init__(self, slots: asyncio.Semaphore, run_in_thread: RunInThread) -> None:
        """Share the `slots` with all other cameras."""
        self._slots = slots
        self._run_in_thread = run_in_thread
        self._turn = asyncio.Lock()
        self._running: asyncio.Future[bytes] | None = None
        self._waiting = 0

    async def run(self, work: Callable[..., bytes], *arguments: object) -> bytes:
        """Return what `work` returns."""
        async with self._turn:
            if self._running is not None:
                await asyncio.wait([self._running])
            await self._slots.acquire()
            try:
                self._running = self._run_in_thread(work, *arguments)
            except BaseException:
                self._slots.release()
                raise
            self._running.add_done_callback(lambda _: self._slots.release())
            return await asyncio.shield(self._running)

    async def upright(self, picture: bytes, width: int | None, height: int | None) -> bytes:
        """Return `upright` of a picture. Raises `PiMjpegError` when too many requests wait for this camera."""
        if is_upright(picture):
            return picture
        if self._waiting >= MAX_WAITING:
            raise PiMjpegError(f"{MAX_WAITING} pictures of this camera are waiting to be turned")
        self._waiting += 1
        try:
            return await self.run(upright, picture, width, height)
        finally:
            self._waiting -= 1


def side(pixels: int | None) -> int | None:
    """Return the width or height that the server can be asked for instead of this one. None stands for any.

    Cards ask for 0 while they are not laid out, and for any number that a person wrote into one.
    """
    return None if pixels is None or pixels < 1 else min(max(pixels, MIN_SIDE), MAX_SIDE)


def shown_size(picture: bytes) -> tuple[int, int] | None:
    """Return the width and height at which a JPEG is shown, from its headers, or None if they are damaged."""
    try:
        return jpeg.shown_size(picture)
    except jpeg.JpegError:
        return None


def is_within(picture: bytes, width: int) -> bool:
    """Return whether a JPEG is shown at most so wide, as far as its headers can be read."""
    size = shown_size(picture)
    return size is None or size[0] <= width


def is_upright(picture: bytes) -> bool:
    """Return whether the pixels of a JPEG are as it is shown, as far as its headers can be read."""
    try:
        return jpeg.orientation(picture) == 1
    except jpeg.JpegError:
        return True


def is_expensive(picture: bytes) -> bool:
    """Return whether a JPEG takes too long to be decoded here. It is left unchanged then."""
    try:
        return jpeg.decoding_time(picture) > MAX_DECODING_TIME
    except jpeg.JpegError:
        return True


def upright(picture: bytes, width: int | None, height: int | None) -> bytes:
    """Return a JPEG whose pixels are as it is shown, and that fits into a size if it had to be made for that.

    Home Assistant drops the EXIF orientation when it scales a picture, and what it is given to does not know of it. A
    JPEG without one is returned unchanged, as is one that cannot be decoded or is expensive.
    """
    if is_upright(picture):
        return picture
    try:
        shown = decode(picture)
    except UndecodableError:
        return picture
    shown.thumbnail((width or MAX_SIDE, height or MAX_SIDE))
    copy = io.BytesIO()
    shown.save(copy, "JPEG", quality=_QUALITY)
    return copy.getvalue()


def decode(picture: bytes) -> Image.Image:
    """Return the pixels of a JPEG as it is shown, reduced to about `MAX_DECODED_PIXELS`. Raises `UndecodableError`."""
    if is_expensive(picture):
        raise UndecodableError("it takes too long to decode")
    try:
        width, height = jpeg.check(picture)
        # Of the headers, Pillow gets only what it needs for the pixels. It reads all that there is, at any cost.
        with Image.open(io.BytesIO(jpeg.decodable(picture)), formats=["JPEG"]) as image:
            enough = (each for each in _REDUCTIONS if width * height <= MAX_DECODED_PIXELS * each**2)
            reduction = next(enough, _REDUCTIONS[-1])
            image.draft("RGB", (max(1, width // reduction), max(1, height // reduction)))
            pixels = image.convert("RGB")
        method = _TRANSPOSITIONS.get(jpeg.orientation(picture))
        return pixels if method is None else pixels.transpose(method)
    except Exception as error:
        # It came from the network, and Pillow does not document what it raises for a damaged picture.
        raise UndecodableError(str(error)) from error
