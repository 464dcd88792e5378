"""A supervised source: started on demand, watched while it runs, restarted when it fails."""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import StrEnum

from pi_mjpeg_server import placard
from pi_mjpeg_server.broadcast import Broadcast
from pi_mjpeg_server.capture import Capture
from pi_mjpeg_server.frame import Frame, Picture
from pi_mjpeg_server.rate import Rate
from pi_mjpeg_server.sources import Mode, Source, SourceSettings
from pi_mjpeg_server.viewer import Viewer

_LOGGER = logging.getLogger(__name__)

START_WITHIN = 20.0
"""Seconds from wanting a picture to the first one; importing Picamera2 on a Pi Zero 2 is part of it."""
STOP_WITHIN = 5.0
"""Seconds a driver may take to stop capturing."""
LONGEST_GAP = 5.0
"""Seconds without a picture (or ten pictures' time, whichever is longer) before a live camera counts as failing."""
RETRY_AFTER = (0.5, 1.0, 2.0, 4.0)
"""Seconds before each new try; the last one holds for all that follow, so that a camera plugged in again is found."""
MOST_LOST_THREADS = 3
"""Driver calls that never came back, before the camera is given up as stuck."""

_ANSWERS = 2.0
_PLACARD_EVERY = 1.0


class State(StrEnum):
    """What a camera does. The first three count as available: pictures can be had."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    FAILING = "failing"
    STUCK = "stuck"


class CameraUnavailableError(Exception):
    """No picture can be had now; the message says why."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera as configured. `linger` is how many seconds it runs on after the last viewer left."""

    id: str
    name: str
    source: str = "auto"
    linger: float = 10
    asked: SourceSettings = field(default_factory=SourceSettings)


class Camera:
    """One camera: its state, its viewers and its frames.

    A camera captures while somebody watches and for `linger` seconds more; once at the start it takes one picture, so
    that its availability is true before the first viewer comes. All methods belong to the event loop.
    """

    def __init__(self, settings: CameraSettings, make_source: Callable[[], Source]) -> None:
        """Prepare an idle camera; `make_source` is called, off the loop, for each new try to open it."""
        self.settings = settings
        self.broadcast = Broadcast()
        self.viewers: set[Viewer] = set()
        self.state = State.IDLE
        self.reason: str | None = None
        self.since = time.time()
        self.next_try: float | None = None
        self.mode = Mode()
        self.pictures = Rate()
        self.missed = 0
        self.restarts = 0
        self.last_error: str | None = None
        self.on_change: list[Callable[[], None]] = []
        self._make_source = make_source
        self._capture: Capture | None = None
        self._lost: list[Capture] = []
        self._demands = 0
        self._probing = True
        self._linger_until = 0.0
        self._deadline: float | None = None
        self._retry_at = 0.0
        self._tries = 0
        self._softened = False
        self._sequence = 0
        self._placard_at = 0.0
        self._drawing: asyncio.Task[None] | None = None
        self._wake = asyncio.Event()
        self._supervisor: asyncio.Task[None] | None = None

    @property
    def available(self) -> bool:
        """Whether pictures can be had; an idle camera can be started."""
        return self.state in {State.IDLE, State.STARTING, State.LIVE}

    def start(self) -> None:
        """Begin to supervise."""
        self._supervisor = asyncio.create_task(self._supervise(), name=f"camera-{self.settings.id}")

    async def stop(self) -> None:
        """Stop capturing and close the device, within `STOP_WITHIN` seconds whatever the driver does."""
        for task in (self._supervisor, self._drawing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        capture = self._capture
        if capture is not None:
            capture.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_WITHIN):
                    while self._capture is capture:
                        self._wake.clear()
                        await self._wake.wait()

    def restart(self) -> None:
        """Close the device and open it anew, as a person asks for."""
        _LOGGER.info("%s: restarting", self.settings.name)
        self._tries = 0
        self._retry_at = 0.0
        self._lost.clear()
        if self.state is State.STUCK:
            self._enter(State.FAILING, self.reason)
        if self._capture is not None:
            self._capture.close()
        self._probing = True
        self._wake.set()

    @contextlib.contextmanager
    def viewing(self, viewer: Viewer) -> Iterator[None]:
        """Keep the camera capturing while a viewer watches."""
        self.viewers.add(viewer)
        try:
            with self._demanded():
                self._changed()
                yield
        finally:
            self.viewers.discard(viewer)
            self._changed()

    async def still(self, taken_after: float) -> Frame:
        """Return a frame taken after that moment of the monotonic clock; an old one may be there already.

        Raises `CameraUnavailableError` with the reason as soon as it is known that there will be none.
        """
        latest = self.broadcast.latest
        if latest is not None and not latest.drawn and latest.taken >= taken_after:
            return latest
        self._refuse_if_failing()
        with self._demanded():
            sequence = self._sequence
            try:
                async with asyncio.timeout(START_WITHIN):
                    while True:
                        frame = await self.broadcast.newer_than(sequence)
                        if not frame.drawn and frame.taken >= taken_after:
                            return frame
                        self._refuse_if_failing()
                        sequence = frame.sequence
            except TimeoutError:
                raise CameraUnavailableError(f"no picture within {START_WITHIN:.0f} s") from None

    def opened(self, mode: Mode) -> None:
        """Take note of what the device gives (from the capture)."""
        if mode != self.mode:
            size = f"{mode.size[0]}x{mode.size[1]}" if mode.size else "unknown size"
            _LOGGER.info("%s: %s, %s at %s fps", self.settings.name, mode.model or "camera", size, mode.fps)
            if mode.note:
                _LOGGER.warning("%s: %s", self.settings.name, mode.note)
            self.mode = mode
            self._changed()

    def pictured(self, picture: Picture, missed: int) -> None:
        """Publish a picture (from the capture)."""
        now = time.monotonic()
        self.pictures.tick(now)
        self.missed += missed
        fps = self.mode.fps or self.settings.asked.fps
        self._deadline = now + max(LONGEST_GAP, 10 / fps)
        self._tries = 0
        self._softened = False
        self._probing = False
        if self.state is not State.LIVE:
            self._enter(State.LIVE)
            self._wake.set()
        self._publish(picture.jpeg, picture.taken, drawn=False)

    def paused(self) -> None:
        """Take note that the source stopped (from the capture)."""
        if self._capture is not None and not self._capture.wanted:
            self._deadline = None
            if self.state is not State.FAILING:
                self._enter(State.IDLE)
        elif self.state is not State.FAILING:
            self._enter(State.STARTING)
        self._wake.set()

    def ended(self, error: Exception | None) -> None:
        """Take note that the device is closed (from the capture)."""
        self._capture = None
        if error is not None:
            _LOGGER.debug("%s: the source ended", self.settings.name, exc_info=error)
            self._fail(str(error) or type(error).__name__)
        elif self.state in {State.LIVE, State.STARTING}:
            self._enter(State.IDLE)
        self._wake.set()

    async def _supervise(self) -> None:
        while True:
            self._wake.clear()
            self._step(time.monotonic())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._rest(time.monotonic())):
                    await self._wake.wait()

    def _step(self, now: float) -> None:
        """Compare what is wanted with what is, and do the next thing about it."""
        capture = self._capture
        demanded = self._demands > 0 or self._probing or now < self._linger_until
        wanted = demanded or self.state is State.FAILING
        if capture is None:
            if wanted and self.state is not State.STUCK and now >= self._retry_at:
                self._open(now)
        elif self._deadline is not None and now >= self._deadline:
            self._overdue(capture, now)
        elif wanted and not capture.wanted:
            self._deadline = now + START_WITHIN
            if self.state is State.IDLE:
                self._enter(State.STARTING)
            capture.want(pictures=True)
        elif not wanted and capture.wanted:
            self._deadline = now + STOP_WITHIN
            capture.want(pictures=False)
        if self._placard_wanted() and now >= self._placard_at and (self._drawing is None or self._drawing.done()):
            self._placard_at = now + _PLACARD_EVERY
            self._drawing = asyncio.create_task(self._draw_placard())

    def _rest(self, now: float) -> float | None:
        """Return the seconds until time alone may change something."""
        moments = [self._deadline if self._capture is not None else None]
        if self._demands == 0 and self.state in {State.LIVE, State.STARTING}:
            moments.append(self._linger_until)
        if self._capture is None and self.state is State.FAILING:
            moments.append(self._retry_at)
        if self._placard_wanted() or (self._demands and self.state is State.STARTING):
            moments.append(self._placard_at)
        ahead = [moment - now for moment in moments if moment is not None and moment > now]
        return max(0.01, min(ahead)) if ahead else None

    def _open(self, now: float) -> None:
        self._deadline = now + START_WITHIN
        if self.state is State.IDLE:
            self._enter(State.STARTING)
        self._capture = Capture(self.settings.id, self._make_source, self)
        self._capture.want(pictures=True)
        self._capture.start()

    def _overdue(self, capture: Capture, now: float) -> None:
        """Act on a deadline that passed: first start the capture anew, then the device."""
        answers = capture.silence < _ANSWERS
        if not capture.wanted and not answers:
            self._abandon(f"the camera did not stop within {STOP_WITHIN:.0f} s")
        elif answers and not self._softened:
            self._softened = True
            self.restarts += 1
            self._deadline = now + START_WITHIN
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
        self._softened = False
        self.restarts += 1
        self._lost = [capture for capture in self._lost if capture.lives]
        if len(self._lost) >= MOST_LOST_THREADS:
            self._enter(
                State.STUCK,
                f"{reason}; tried {len(self._lost)} times, only a restart of the service can help",
            )
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
        _LOGGER.log(level, "%s: %s%s", self.settings.name, state, f": {reason}" if reason else "")
        if state is not self.state:
            self.since = time.time()
            self._placard_at = time.monotonic() + (_PLACARD_EVERY if state is State.STARTING else 0)
        self.state, self.reason = state, reason
        self._changed()

    @contextlib.contextmanager
    def _demanded(self) -> Iterator[None]:
        self._demands += 1
        self._wake.set()
        try:
            yield
        finally:
            self._demands -= 1
            self._linger_until = time.monotonic() + self.settings.linger
            self._wake.set()

    def _refuse_if_failing(self) -> None:
        if not self.available:
            raise CameraUnavailableError(self.reason or "the camera gives no pictures")

    def _placard_wanted(self) -> bool:
        return self._demands > 0 and (not self.available or self.state is State.STARTING)

    async def _draw_placard(self) -> None:
        """Publish the picture that says why there is none; a real one that came meanwhile goes first."""
        starting = self.state is State.STARTING
        title = f"{self.settings.name}: " + ("starting" if starting else "no picture")
        reason = self.reason or ("The camera is being started." if starting else "")
        size = self.mode.size or self.settings.asked.size
        jpeg = await asyncio.to_thread(placard.draw, size, title, reason, self.since, time.time())
        if self._placard_wanted():
            self._publish(jpeg, time.monotonic(), drawn=True)

    def _publish(self, jpeg: bytes, taken: float, *, drawn: bool) -> None:
        self._sequence += 1
        timestamp = time.time() - (time.monotonic() - taken)
        self.broadcast.publish(Frame(jpeg, self._sequence, taken, timestamp, drawn))

    def _changed(self) -> None:
        for listener in self.on_change:
            listener()
