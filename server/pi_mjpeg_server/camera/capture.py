"""The thread in which one source is opened, read, adjusted and closed: what keeps drivers off the event loop."""

import asyncio
import contextlib
import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, Protocol, TypeVar

from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Adjustable, Source, SourceError, SourceInfo
from pi_mjpeg_server.sources.controls import Control

_LOGGER = logging.getLogger(__name__)
_MAX_JOBS = 16
_Answer = TypeVar("_Answer")


class CaptureListener(Protocol):
    """Who is told, on the event loop, what happened in the thread."""

    def opened(self, mode: SourceInfo, controls: Mapping[str, Control]) -> None:
        """The device is open and will give this."""

    def pictured(self, picture: Picture, missed: int) -> None:
        """A picture came; `missed` are those before it that the event loop was too late for."""

    def paused(self) -> None:
        """The source stopped capturing, as was wanted."""

    def ended(self, error: Exception | None) -> None:
        """The source is closed and the thread is over; `error` says why if that was not wanted."""


class Capture:
    """One source and its thread.

    The thread compares what is wanted with what it does after each picture, so wishes cannot race: to want pictures
    again while the source stops means that it starts again. A driver that never returns keeps its thread; the
    supervisor notices by the clock, calls `abandon` and hears no more of it.
    """

    def __init__(self, name: str, make_source: Callable[[], Source], listener: CaptureListener) -> None:
        """Prepare a thread named after the camera; `make_source` is called in it."""
        self._make_source = make_source
        self._listener: CaptureListener | None = listener
        self._loop = asyncio.get_running_loop()
        self._changed = threading.Condition()
        self._wanted = False
        self._closing = False
        self._restarting = False
        self._jobs: deque[Callable[[Source], None]] = deque()
        self._pending: Picture | None = None
        self._missed = 0
        self._broken = 0
        self._answered = time.monotonic()
        self._thread = threading.Thread(target=self._run, name=f"capture-{name}", daemon=True)

    @property
    def wanted(self) -> bool:
        """Whether pictures are wanted at present."""
        return self._wanted and not self._closing

    @property
    def lives(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    @property
    def silence(self) -> float:
        """Seconds since the driver last answered a call, with a picture or without."""
        return time.monotonic() - self._answered

    def start(self) -> None:
        """Open the source, and capture once pictures are wanted."""
        self._thread.start()

    def want(self, *, pictures: bool) -> None:
        """Say whether to capture. The device stays open when not."""
        with self._changed:
            self._wanted = pictures
            self._changed.notify()

    def restart(self) -> None:
        """Stop capturing and start again, with the device left open."""
        with self._changed:
            self._restarting = True
            self._changed.notify()

    def close(self) -> None:
        """Stop capturing, close the source and end the thread; `CaptureListener.ended` follows."""
        with self._changed:
            self._closing = True
            self._changed.notify()

    def abandon(self) -> None:
        """Close, but listen no longer: for a driver that does not come back."""
        self._listener = None
        self.close()

    async def do(self, job: Callable[[Source], _Answer]) -> _Answer:
        """Return what `job` returns, called in the thread between two pictures, or raise what it raises.

        Raises `SourceError` when too many wait already.
        """
        answer: asyncio.Future[_Answer] = self._loop.create_future()

        def settle(settling: Callable[[Any], None], value: object) -> None:
            if not answer.done():
                settling(value)

        def run(source: Source) -> None:
            try:
                value = job(source)
            except Exception as error:  # noqa: BLE001  (whoever asked is told, whatever it is)
                self._on_loop(settle, answer.set_exception, error)
            else:
                self._on_loop(settle, answer.set_result, value)

        with self._changed:
            if len(self._jobs) >= _MAX_JOBS:
                raise SourceError("the camera is busy with earlier wishes")
            self._jobs.append(run)
            self._changed.notify()
        return await answer

    def _run(self) -> None:
        failure: Exception | None = None
        source: Source | None = None
        try:
            source = self._make_source()
            mode = source.open()
            controls = source.controls() if isinstance(source, Adjustable) else {}
            self._tell(lambda listener: listener.opened(mode, controls))
            while self._wait_until_wanted(source):
                self._capture(source)
                self._tell(lambda listener: listener.paused())
        except Exception as error:  # noqa: BLE001  (a third party's driver may raise anything)
            failure = error
        if source is not None:
            try:
                source.close()
            except Exception as error:
                _LOGGER.debug("%s: closing failed", self._thread.name, exc_info=True)
                failure = failure or error
        self._tell(lambda listener: listener.ended(failure))

    def _capture(self, source: Source) -> None:
        pictures = source.frames()
        try:
            for picture in pictures:
                self._answered = time.monotonic()
                if picture is not None:
                    self._offer(picture, getattr(source, "broken", 0))
                self._do_jobs(source)
                if not self._wanted or self._closing or self._restarting:
                    return
        finally:
            close = getattr(pictures, "close", None)
            if close is not None:
                close()
        raise SourceError("the camera stopped giving pictures")

    def _wait_until_wanted(self, source: Source) -> bool:
        """Rest until pictures are wanted, doing jobs meanwhile; False when it is time to close."""
        while True:
            self._answered = time.monotonic()
            with self._changed:
                self._restarting = False
                self._changed.wait_for(lambda: self._wanted or self._closing or self._jobs)
                if self._closing or self._wanted:
                    return not self._closing
            self._do_jobs(source)

    def _do_jobs(self, source: Source) -> None:
        while self._jobs:
            self._jobs.popleft()(source)

    def _offer(self, picture: Picture, broken: int) -> None:
        """Hand a picture to the loop; while the loop has not taken the last one, the newest replaces it."""
        with self._changed:
            self._missed += broken - self._broken
            self._broken = broken
            replaced, self._pending = self._pending, picture
            if replaced is not None:
                self._missed += 1
                return
        self._tell(self._take)

    def _take(self, listener: CaptureListener) -> None:
        with self._changed:
            picture, self._pending = self._pending, None
            missed, self._missed = self._missed, 0
        if picture is not None:
            listener.pictured(picture, missed)

    def _tell(self, call: Callable[[CaptureListener], None]) -> None:
        def told() -> None:
            if self._listener is not None:
                call(self._listener)

        self._on_loop(told)

    def _on_loop(self, call: Callable[..., None], *arguments: object) -> None:
        # The loop may be gone at the end of the process, when nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call, *arguments)
