"""Stills larger than the pictures of a stream, which a capture's thread takes between two of them."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Source, SourceError, StillCapable, StillError

MAX_HEARTBEAT = 1.0
"""Seconds within which a source that waits for a picture yields (`Source.frames`)."""


@dataclass(frozen=True, slots=True)
class Still:
    """A still, and the seconds from the picture before it to the one after it, in which viewers got no new one."""

    picture: Picture
    gap: float


@dataclass(frozen=True, slots=True)
class StillLimits:
    """How long a still may take, in seconds.

    It is not taken in the first `warm_up` seconds at its size, and it fails when there is none for `patience` after
    that. Calls of the driver do not count.
    """

    warm_up: float
    patience: float


class _Request:
    def __init__(self, limits: StillLimits) -> None:
        self.limits = limits
        self.answer: asyncio.Future[Still] = asyncio.get_running_loop().create_future()
        self.taken_before = time.monotonic()
        self.picture: Picture | None = None


class StillTaker:
    """The stills of one capture, one at a time.

    `request` and `refuse` belong to the event loop, all other methods to the thread. Its first outcome counts.
    """

    def __init__(self, progressed: Callable[[], None]) -> None:
        """Call `progressed` in the thread after each step of a still, of which none should take long."""
        self._progressed = progressed
        self._loop = asyncio.get_running_loop()
        self._request: _Request | None = None

    def request(self, limits: StillLimits) -> asyncio.Future[Still]:
        """Have a still taken. The future ends when the next picture after it has come, or with the failure."""
        if self._request is not None and not self._request.answer.done():
            raise SourceError("the camera already takes a still")
        self._request = _Request(limits)
        return self._request.answer

    def refuse(self, reason: Exception) -> None:
        """Fail what was requested, whatever the thread does with it."""
        request = self._request
        if request is not None and not request.answer.done():
            request.answer.set_exception(reason)

    @property
    def is_requested(self) -> bool:
        """Whether a still waits to be taken."""
        request = self._request
        return request is not None and request.picture is None and not request.answer.done()

    def take(self, source: Source, is_unwanted: Callable[[], bool], taken_before: float) -> None:
        """Take the still if there is a request for one. No iterator of the source's frames may be open.

        `taken_before` is when the last picture was taken. Raises what ends the capture too.
        """
        request = self._request
        if request is None or not self.is_requested:
            return
        request.taken_before = taken_before
        if not isinstance(source, StillCapable):
            self._fail(request, StillError("the camera has no larger stills"))
            return
        self._progressed()
        try:
            pictures = source.stills()
            try:
                request.picture = self._first_usable(pictures, request.limits, is_unwanted)
            finally:
                close = getattr(pictures, "close", None)
                if close is not None:
                    close()
        except StillError as error:
            self._fail(request, error)
        self._progressed()

    def picture_came(self, taken: float) -> None:
        """Note that the stream goes on since `taken`: the still is complete."""
        if self._request is not None and self._request.picture is not None:
            self._complete(self._request, taken)

    def end(self, failure: Exception) -> None:
        """Note that the capture has failed, which the still may have survived."""
        request = self._request
        if request is None:
            return
        if request.picture is None:
            self._fail(request, failure)
        else:
            self._complete(request, time.monotonic())

    def _first_usable(
        self, pictures: Iterator[Picture | None], limits: StillLimits, is_unwanted: Callable[[], bool]
    ) -> Picture:
        waited, last = 0.0, time.monotonic()
        first_taken: float | None = None
        for picture in pictures:
            self._progressed()
            now = time.monotonic()
            # What takes longer is no waiting, but a call of the driver, which has a deadline of its own.
            waited, last = waited + min(now - last, MAX_HEARTBEAT), now
            if is_unwanted():
                raise StillError("the camera is being closed")
            if picture is not None:
                first_taken = picture.taken if first_taken is None else first_taken
                if picture.settled and picture.taken >= first_taken + limits.warm_up:
                    return picture
            if waited >= limits.patience + limits.warm_up:
                break
        raise StillError(f"no still came within {limits.patience + limits.warm_up:g} s")

    def _complete(self, request: _Request, taken_after: float) -> None:
        picture = request.picture
        if picture is not None:
            still = Still(picture, max(0.0, taken_after - request.taken_before))
            self._answer(request, lambda: request.answer.set_result(still))

    def _fail(self, request: _Request, failure: Exception) -> None:
        self._answer(request, lambda: request.answer.set_exception(failure))

    def _answer(self, request: _Request, answer: Callable[[], None]) -> None:
        if self._request is request:
            self._request = None

        def answer_once() -> None:
            if not request.answer.done():
                answer()

        # At the end of the process the loop may be closed.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(answer_once)


def still_size(source: Source) -> tuple[int, int] | None:
    """Return the size of the source's stills in pixels, or None if they are no larger than its other pictures.

    Raises `SourceError` for a size that we accept from no camera.
    """
    size = source.still_size() if isinstance(source, StillCapable) else None
    if size is not None and (size[0] * size[1] > jpeg.MAX_PIXELS or max(size) > jpeg.MAX_SIDE):
        raise SourceError(f"a picture of {size[0]}x{size[1]} pixels is too large")
    return size
