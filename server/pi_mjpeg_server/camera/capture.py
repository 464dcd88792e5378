"""The thread in which one source is opened, read, adjusted and closed. It keeps drivers off the event loop."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from functools import partial
from typing import NoReturn, Protocol, TypeVar

from pi_mjpeg_server.camera.still_taker import Still, StillLimits, StillTaker
from pi_mjpeg_server.concurrency.memory import return_free_memory
from pi_mjpeg_server.concurrency.threads import resolve
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Adjustable, RateLimitable, Source, SourceError, SourceInfo, printable_info
from pi_mjpeg_server.sources.controls import Control
from pi_mjpeg_server.sources.driver_text import printable

_LOGGER = logging.getLogger(__name__)
_MAX_JOBS = 16
_MAX_PENDING = 8
"""Pictures that may wait for the event loop. It is never late for so many, and they take less than 2 MB."""
_IDLE_CHECK_INTERVAL = 2.0
"""Seconds without a request after which free memory is returned to the system."""
_SIZE_SETTLES_AFTER = 1.0
"""Seconds for which pictures have another size before it counts: a folder may alternate between two."""
_CLOSING = "the camera is being closed"
_T = TypeVar("_T")


class CaptureListener(Protocol):
    """Receives the events of a `Capture`, on the event loop."""

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """The device is open; `info` and `controls` say what it offers."""

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """A picture came; `capture_drops` pictures before it were lost on the capture side."""

    def pictures_damaged(self, count: int, damage: str) -> None:
        """The source has left out `count` more pictures; `damage` says what was wrong with the last one."""

    def picture_replaced(self, picture: Picture) -> None:
        """A newer picture came before the event loop could take this one, which viewers need not see any more."""

    def size_changed(self, size: tuple[int, int]) -> None:
        """The pictures have had another size, in pixels, for a while."""

    def still_progressed(self) -> None:
        """The source has done a step of a still, or has come back from it; the next step should not take long."""

    def capture_paused(self) -> None:
        """The source has stopped capturing after `pause` or `restart`."""

    def source_closed(self, error: Exception | None) -> None:
        """The source is closed and the thread ends; `error` is what ended it, None after `close`."""


class Capture:
    """One source and its thread.

    After each picture the thread compares what was requested with what it does, so requests cannot race: a `resume`
    while the source stops makes it start again. A driver call that never returns keeps its thread; the supervisor
    notices this by the clock, calls `abandon` and gets no more events from it.
    """

    def __init__(self, name: str, make_source: Callable[[], Source], listener: CaptureListener) -> None:
        """Prepare a thread named after the camera; `make_source` is called in that thread."""
        self.rate_limit: float | None = None
        """Pictures a second that are enough, or None for all; the source follows with its next picture, if it can."""
        self._followed_limit: float | None = None
        self._make_source = make_source
        self._listener: CaptureListener | None = listener
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._resumed = False
        self._pause_pending = False
        self._closing = False
        self._restarting = False
        self._jobs: deque[Callable[[Source | None], None]] = deque()
        self._pending: deque[Picture] = deque()
        self._drops = 0
        self._broken = 0
        self._size: tuple[int, int] | None = None
        self._new_size: tuple[tuple[int, int], float] | None = None
        self._last_response = self._last_taken = time.monotonic()
        self._stills = StillTaker(self._still_progressed)
        self._thread = threading.Thread(target=self._run_thread, name=f"capture-{name}", daemon=True)

    @property
    def is_resumed(self) -> bool:
        """Whether pictures are requested; the thread may not have started or stopped the source yet."""
        return self._resumed and not self._closing

    @property
    def is_closing(self) -> bool:
        """Whether `close` was called; the thread may not have ended yet."""
        return self._closing

    @property
    def is_alive(self) -> bool:
        """Whether the thread still runs."""
        return self._thread.is_alive()

    @property
    def seconds_since_response(self) -> float:
        """Seconds since the driver last returned from a call, with a picture or without."""
        return time.monotonic() - self._last_response

    def start(self) -> None:
        """Start the thread, which opens the source. Raises `RuntimeError` when the system has no thread to give."""
        self._thread.start()

    def resume(self) -> None:
        """Capture pictures from now on."""
        with self._changed:
            self._resumed = True
            self._changed.notify()

    def pause(self) -> None:
        """Stop capturing. The device stays open; `CaptureListener.capture_paused` follows in any case."""
        with self._changed:
            self._resumed = False
            self._pause_pending = True
            self._changed.notify()

    def restart(self) -> None:
        """Stop capturing and start again. The device stays open."""
        with self._changed:
            self._restarting = True
            self._changed.notify()

    def close(self) -> None:
        """Stop capturing, close the source and end the thread; `CaptureListener.source_closed` follows.

        Jobs that have not begun fail with a `SourceError`, and so does a still.
        """
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._stills.refuse(SourceError(_CLOSING))
        self._run_jobs(None)

    def abandon(self) -> None:
        """Close, but send no more events: for a driver call that does not return."""
        self._listener = None
        self.close()

    async def run(self, job: Callable[[Source], _T]) -> _T:
        """Call `job` with the source, in the thread, between two pictures. Return its result or raise its exception.

        A job that is cancelled before it began is skipped. Raises `SourceError` when too many jobs are waiting, and
        when the source is closed before the job began.
        """
        future: Future[_T] = Future()

        def run_job(source: Source | None) -> None:
            resolve(future, _refuse if source is None else partial(job, source))

        with self._changed:
            if self._closing:
                _refuse()
            if len(self._jobs) >= _MAX_JOBS:
                raise SourceError("the camera is busy with earlier requests")
            self._jobs.append(run_job)
            self._changed.notify()
        return await asyncio.wrap_future(future)

    async def take_still(self, limits: StillLimits) -> Still:
        """Take a still as soon as the source captures, between two pictures. Raises what the source raises for it.

        Raises `SourceError` when the source has no stills or is closed before it.
        """
        if self._closing:
            _refuse()
        return await self._stills.request(limits)

    def _run_thread(self) -> None:
        # What the capture before this one used: a camera that fails again and again never rests.
        return_free_memory()
        # In no variable of this thread: the traceback has the variables of all functions, and the last pictures with
        # them, so that only the garbage collector would free what it and a variable hold in a circle.
        self._end(self._run_source())

    def _end(self, failure: Exception | None) -> None:
        self._stills.end(failure or SourceError(_CLOSING))
        self._notify(lambda listener: listener.source_closed(failure))

    def _run_source(self) -> Exception | None:
        """Make the source, capture from it until closed, and close it. Return why it failed, or None."""
        try:
            source = self._make_source()
        except Exception as error:  # noqa: BLE001  (a third party's driver may raise anything)
            return error
        try:
            if not self._closing:
                self._capture_until_closed(source)
        except Exception as error:  # noqa: BLE001  (likewise)
            self._close(source)
            return error
        return self._close(source)

    def _close(self, source: Source) -> Exception | None:
        """Close the source, and return why that failed, or None."""
        try:
            source.close()
        except Exception as error:
            _LOGGER.debug("%s: closing failed", self._thread.name, exc_info=True)
            return error
        return None

    def _capture_until_closed(self, source: Source) -> None:
        info = printable_info(source.open())
        self._size = info.size
        controls = source.controls() if isinstance(source, Adjustable) else {}
        self._notify(lambda listener: listener.source_opened(info, controls))
        while self._wait_until_resumed(source):
            self._capture(source)
            if self._stills.is_requested:
                # For the supervisor this is no pause: it goes on by itself.
                self._stills.take(source, lambda: self._closing, self._last_taken)
                return_free_memory()
            else:
                self._report_pause()

    def _capture(self, source: Source) -> None:
        self._limit_rate(source)
        pictures = source.frames()
        try:
            for picture in pictures:
                self._last_response = time.monotonic()
                self._limit_rate(source)
                self._report_damage(source)
                if picture is not None:
                    self._follow_size(picture)
                    self._offer(picture)
                    self._last_taken = picture.taken
                    self._stills.picture_came(picture.taken)
                self._run_jobs(source)
                if not self._resumed or self._closing or self._restarting or self._stills.is_requested:
                    return
        finally:
            close = getattr(pictures, "close", None)
            if close is not None:
                close()
        raise SourceError("the camera stopped giving pictures")

    def _limit_rate(self, source: Source) -> None:
        """Have the source follow the rate limit, if it can. That it fails to is no reason to stop capturing."""
        limit = self.rate_limit
        if limit == self._followed_limit:
            return
        self._followed_limit = limit
        if isinstance(source, RateLimitable):
            try:
                source.limit_rate(limit)
            except Exception:
                _LOGGER.exception("%s: the frame rate cannot be limited", self._thread.name)

    def _wait_until_resumed(self, source: Source) -> bool:
        """Run jobs until pictures are requested, then return True; return False when it is time to close.

        A `resume` and a `pause` may follow each other before this thread wakes. It has nothing to stop then, but the
        supervisor waits for the pause all the same.
        """
        check: Callable[[], None] | None = getattr(source, "check_idle", None)
        is_resting = False
        while True:
            self._last_response = time.monotonic()
            with self._changed:
                self._restarting = False
                is_requested = self._changed.wait_for(
                    lambda: self._resumed or self._closing or self._jobs or self._pause_pending,
                    None if check is None and is_resting else _IDLE_CHECK_INTERVAL,
                )
                if self._closing or self._resumed:
                    return not self._closing
                pause_pending = self._pause_pending
            if pause_pending:
                self._report_pause()
            self._run_jobs(source)
            if not is_requested and not is_resting:
                # Not at once: the event loop clears the ring with the last seconds after the pause.
                is_resting = True
                return_free_memory()
            if check is not None:
                check()

    def _report_pause(self) -> None:
        with self._changed:
            self._pause_pending = False
        self._notify(lambda listener: listener.capture_paused())

    def _run_jobs(self, source: Source | None) -> None:
        # `close` takes jobs on the event loop, at the same time as the thread.
        with contextlib.suppress(IndexError):
            while True:
                self._jobs.popleft()(source)

    def _still_progressed(self) -> None:
        self._last_response = time.monotonic()
        self._notify(lambda listener: listener.still_progressed())

    def _report_damage(self, source: Source) -> None:
        """Tell the listener at once: a camera whose pictures are all damaged never gives another one."""
        broken: int = getattr(source, "broken", 0)
        count, self._broken = broken - self._broken, broken
        if count > 0:
            damage = printable(getattr(source, "last_damage", None) or "the source does not say how")
            self._notify(lambda listener: listener.pictures_damaged(count, damage))

    def _follow_size(self, picture: Picture) -> None:
        if picture.size is not None and picture.size == self._size and self._new_size is None:
            return
        try:
            size = picture.size or jpeg.upright_size(picture.jpeg)
        except jpeg.JpegError:
            return
        now = time.monotonic()
        if size == self._size:
            self._new_size = None
        elif self._new_size is None or self._new_size[0] != size:
            self._new_size = size, now
        elif now - self._new_size[1] >= _SIZE_SETTLES_AFTER:
            self._size, self._new_size = size, None
            self._notify(lambda listener: listener.size_changed(size))

    def _offer(self, picture: Picture) -> None:
        """Hand a picture to the event loop. Of too many that it has not taken yet, the oldest is lost."""
        with self._changed:
            self._pending.append(picture)
            if len(self._pending) > _MAX_PENDING:
                self._pending.popleft()
                self._drops += 1
            if len(self._pending) > 1:
                return
        self._notify(self._deliver)

    def _deliver(self, listener: CaptureListener) -> None:
        with self._changed:
            *replaced, latest = self._pending
            self._pending.clear()
            drops, self._drops = self._drops, 0
        for each in replaced:
            listener.picture_replaced(each)
        listener.picture_received(latest, drops)

    def _notify(self, event: Callable[[CaptureListener], None]) -> None:
        """Call `event` with the listener on the event loop, unless the capture is abandoned by then."""

        def deliver() -> None:
            if self._listener is not None:
                event(self._listener)

        # At the end of the process the loop may be closed; then there is nobody left to notify.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(deliver)


def _refuse() -> NoReturn:
    raise SourceError(_CLOSING)
