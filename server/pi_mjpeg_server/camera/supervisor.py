"""Watches one source by its pictures: starts it when wanted, and anew when it fails, until nothing helps."""

import asyncio
import contextlib
import logging
import math
import random
import time
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol, TypeVar

from pi_mjpeg_server.camera.capture import Capture
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Source, SourceError, SourceInfo
from pi_mjpeg_server.sources.controls import Control

_LOGGER = logging.getLogger(__name__)
_Answer = TypeVar("_Answer")

START_TIMEOUT = 20.0
"""Seconds from wanting a picture to the first one; importing Picamera2 on a Pi Zero 2 is part of it."""
STOP_TIMEOUT = 5.0
"""Seconds a driver may take to stop capturing."""
FRAME_TIMEOUT = 5.0
"""Seconds without a picture (or ten pictures' time, whichever is longer) before a live camera counts as failing."""
RETRY_AFTER = (0.5, 1.0, 2.0, 3.0)
"""Seconds before each new try; the last holds for all that follow, so a camera plugged in again is live within five."""
MAX_LOST_THREADS = 3
"""Driver calls that never came back, before the camera is given up as stuck."""
RESPONSE_TIMEOUT = 2.0
"""Seconds after which a driver counts as not answering; a source yields at least once a second."""


class State(StrEnum):
    """What a camera does. The first three count as available: pictures can be had."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    FAILING = "failing"
    STUCK = "stuck"


class SupervisorListener(Protocol):
    """Who says whether pictures are wanted, and is told what comes of it."""

    def wanted_until(self) -> float:
        """Return the moment of the monotonic clock up to which pictures are wanted; infinity for no end in sight."""

    def opened(self, mode: SourceInfo, controls: Mapping[str, Control]) -> None:
        """The device is open and will give this."""

    def pictured(self, picture: Picture, missed: int) -> None:
        """A picture came, after `missed` that were left out."""

    def changed(self) -> None:
        """The state or its reason is another one."""


class Supervisor:
    """The state of one camera, and what is done about it. All methods belong to the event loop.

    Once at the start it takes one picture, so that the state is true before the first viewer comes. It goes by
    pictures alone: an encoder may die in silence while the camera goes on. A failing camera is first started anew,
    then opened anew, again and again; driver calls that never return are left behind in their threads, and when
    there are too many of those the camera is stuck.
    """

    def __init__(self, name: str, make_source: Callable[[], Source], listener: SupervisorListener) -> None:
        """Prepare; `make_source` is called, off the loop, for each try to open the device."""
        self.state = State.IDLE
        self.reason: str | None = None
        self.since = time.time()
        self.next_try: float | None = None
        self.restarts = 0
        self.last_error: str | None = None
        self._name = name
        self._make_source = make_source
        self._listener = listener
        self._capture: Capture | None = None
        self._lost: list[Capture] = []
        self._probing = True
        self._fps = 1.0
        self._deadline: float | None = None
        self._retry_at = 0.0
        self._tries = 0
        self._started_anew = False
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to supervise."""
        self._task = asyncio.create_task(self._supervise(), name=f"supervisor of {self._name}")

    async def stop(self) -> None:
        """Stop capturing and close the device, within `STOP_TIMEOUT` seconds whatever the driver does."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        capture = self._capture
        if capture is not None:
            capture.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    while self._capture is capture:
                        self._wake.clear()
                        await self._wake.wait()

    def look(self) -> None:
        """Look again at once: what is wanted has changed."""
        self._wake.set()

    def restart(self) -> None:
        """Close the device and open it anew, as a person asks for; one that was given up is tried again."""
        _LOGGER.info("%s: restarting", self._name)
        self._tries = 0
        self._retry_at = 0.0
        self._lost.clear()
        if self.state is State.STUCK:
            self._enter(State.FAILING, self.reason)
        if self._capture is not None:
            self._capture.close()
        self._probing = True
        self.look()

    async def do(self, job: Callable[[Source], _Answer]) -> _Answer:
        """Return what `job` returns for the open source, called in its thread.

        Raises `SourceError` when the device is not open or does not come to it in time.
        """
        if self._capture is None:
            raise SourceError(self.reason or "the camera is not open")
        try:
            async with asyncio.timeout(STOP_TIMEOUT):
                return await self._capture.do(job)
        except TimeoutError:
            raise SourceError(f"the camera did not answer within {STOP_TIMEOUT:.0f} s") from None

    def opened(self, mode: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Pass on what the device gives (from the capture)."""
        self._fps = mode.fps or self._fps
        self._listener.opened(mode, controls)

    def pictured(self, picture: Picture, missed: int) -> None:
        """Pass a picture on (from the capture)."""
        self._deadline = time.monotonic() + max(FRAME_TIMEOUT, 10 / self._fps)
        self._tries = 0
        self._started_anew = False
        self._probing = False
        if self.state is not State.LIVE:
            self._enter(State.LIVE)
            self.look()
        self._listener.pictured(picture, missed)

    def paused(self) -> None:
        """Take note that the source stopped (from the capture)."""
        wanted = self._capture is not None and self._capture.wanted
        if not wanted:
            self._deadline = None
        if self.state is not State.FAILING:
            self._enter(State.STARTING if wanted else State.IDLE)
        self.look()

    def ended(self, error: Exception | None) -> None:
        """Take note that the device is closed (from the capture)."""
        self._capture = None
        if error is not None:
            _LOGGER.debug("%s: the source ended", self._name, exc_info=error)
            self._fail(str(error) or type(error).__name__)
        elif self.state in {State.LIVE, State.STARTING}:
            self._enter(State.IDLE)
        self.look()

    async def _supervise(self) -> None:
        while True:
            self._wake.clear()
            now = time.monotonic()
            self._step(now)
            ahead = [moment for moment in self._moments() if now < moment < math.inf]
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(ahead) - now if ahead else None):
                    await self._wake.wait()

    def _step(self, now: float) -> None:
        """Compare what is wanted with what is, and do the next thing about it."""
        capture = self._capture
        wanted = self._probing or self.state is State.FAILING or now < self._listener.wanted_until()
        if capture is None:
            if wanted and self.state is not State.STUCK and now >= self._retry_at:
                self._open(now)
        elif self._deadline is not None and now >= self._deadline:
            self._overdue(capture, now)
        elif wanted and not capture.wanted:
            self._deadline = now + START_TIMEOUT
            if self.state is State.IDLE:
                self._enter(State.STARTING)
            capture.want(pictures=True)
        elif not wanted and capture.wanted:
            self._deadline = now + STOP_TIMEOUT
            capture.want(pictures=False)

    def _moments(self) -> list[float]:
        """Return the moments at which time alone may change something."""
        moments = [self._listener.wanted_until()]
        if self._capture is None:
            moments.append(self._retry_at)
        elif self._deadline is not None:
            moments.append(self._deadline)
        return moments

    def _open(self, now: float) -> None:
        self._deadline = now + START_TIMEOUT
        if self.state is State.IDLE:
            self._enter(State.STARTING)
        self._capture = Capture(self._name, self._make_source, self)
        self._capture.want(pictures=True)
        self._capture.start()

    def _overdue(self, capture: Capture, now: float) -> None:
        """Act on a deadline that passed: first start the capture anew, then the device."""
        answers = capture.silence < RESPONSE_TIMEOUT
        if not capture.wanted and not answers:
            self._abandon(f"the camera did not stop within {STOP_TIMEOUT:.0f} s")
        elif answers and not self._started_anew:
            self._started_anew = True
            self.restarts += 1
            self._deadline = now + START_TIMEOUT
            self._enter(State.FAILING, "no picture comes from the camera; starting it anew")
            capture.restart()
        else:
            words = "answers but gives no picture" if answers else "does not answer"
            self._abandon(f"the camera {words}: check its cable, its power and its temperature")

    def _abandon(self, reason: str) -> None:
        """Leave a driver call to itself, and go on without it."""
        if self._capture is not None:
            self._capture.abandon()
            self._lost.append(self._capture)
            self._capture = None
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self.last_error = reason
        self._deadline = None
        self._probing = False
        self._started_anew = False
        self.restarts += 1
        self._lost = [capture for capture in self._lost if capture.lives]
        if len(self._lost) >= MAX_LOST_THREADS:
            self._enter(State.STUCK, f"{reason}; tried {len(self._lost)} times, only a restart of the service can help")
            return
        wait = RETRY_AFTER[min(self._tries, len(RETRY_AFTER) - 1)] * random.uniform(0.8, 1.2)  # noqa: S311  (jitter)
        self._tries += 1
        self._retry_at = time.monotonic() + wait
        self.next_try = time.time() + wait
        self._enter(State.FAILING, reason)

    def _enter(self, state: State, reason: str | None = None) -> None:
        if state is not State.FAILING:
            self.next_try = None
        if (state, reason) == (self.state, self.reason):
            return
        level = logging.INFO if state in {State.IDLE, State.STARTING, State.LIVE} else logging.WARNING
        _LOGGER.log(level, "%s: %s%s", self._name, state, f": {reason}" if reason else "")
        if state is not self.state:
            self.since = time.time()
        self.state, self.reason = state, reason
        self._listener.changed()
