"""Watches one camera for motion: gives its pictures to the detector, and says when something moves."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.concurrency.listeners import notify
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.motion.settings import MotionSettings, Region

if TYPE_CHECKING:
    from pi_mjpeg_server.motion.detector import Look

_LOGGER = logging.getLogger(__name__)

REPORT_INTERVAL = 1.0
"""Seconds between two reports of a changed area or box, while something moves."""

LOOK_TIMEOUT = 10.0
"""Seconds after which a detector that has not returned counts as failed. It is waited for all the same."""

FAILURES = 5
"""Looks in a row that have to fail until the status says so. Many a webcam sends a damaged picture now and then."""

_CAPTURES_PER_LOOK = 2
_MIN_CAPTURE_FPS = 5.0


class Detector(Protocol):
    """Compares pictures; see `MotionDetector`."""

    def look(self, jpeg: bytes, taken: float, exposure: float | None = None) -> "Look":
        """Return what a picture shows. It is called in a thread, one picture after the other."""


@dataclass(frozen=True, slots=True)
class MotionStatus:
    """What is known of motion. `since` is when `motion` changed last, in seconds since 1970.

    While there is motion, `area` is how much of the watched part of the picture moves (0 to 1), and `box` is where.
    `error` says why the detector does not work, or is None.
    """

    motion: bool = False
    since: float = field(default_factory=time.time)
    area: float = 0.0
    box: Region | None = None
    error: str | None = None


@dataclass(slots=True)
class LookStats:
    """How many pictures were looked at, and the processor time that this took, in seconds."""

    count: int = 0
    cpu_seconds: float = 0.0


class MotionWatch:
    """The motion detection of one camera.

    It keeps the camera capturing while it is enabled, but is no viewer, and it never looks at a drawn picture. What the
    detector raises is logged and costs only that picture. All methods belong to the event loop; the detector works in a
    thread, on one picture at a time.
    """

    def __init__(
        self,
        camera: Camera,
        configured: MotionSettings | None = None,
        overrides: Mapping[str, Any] | None = None,
        make_detector: Callable[..., Detector] | None = None,
    ) -> None:
        """Prepare to watch `camera`.

        `overrides` are settings that were changed at run time before; they take precedence over the configured ones.
        """
        self.camera = camera
        self.overrides = dict(overrides or {})
        self.settings = replace(configured or MotionSettings(), **self.overrides)
        self.status = MotionStatus()
        self.stats = LookStats()
        self.on_change: list[Callable[[], None]] = []
        self.on_look: list[Callable[[Look], None]] = []
        self._make_detector = make_detector or _make_detector
        self._detector: Detector | None = None
        self._generation = 0
        self._started = False
        self._task: asyncio.Task[None] | None = None
        self._looking: asyncio.Task[tuple[Detector, Look, float]] | None = None
        self._moved_at = -math.inf
        self._reported_at = -math.inf
        self._failures = 0
        self._rate_limited_log = RateLimitedLog()

    def start(self) -> None:
        """Watch, if that is enabled, from now on."""
        self._started = True
        self.camera.on_change.append(self._camera_changed)
        self._follow_settings()

    async def stop(self) -> None:
        """Stop watching."""
        self._started = False
        if self._camera_changed in self.camera.on_change:
            self.camera.on_change.remove(self._camera_changed)
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def change(self, values: Mapping[str, Any]) -> None:
        """Change settings, which have to be valid, from now on. The other settings stay as they are."""
        self.overrides |= values
        settings = replace(self.settings, **values)
        if settings == self.settings:
            return
        self.settings = settings
        self._follow_settings()
        self._notify()

    def _follow_settings(self) -> None:
        """Begin anew with the present settings."""
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._clear()
        if not self.settings.enabled:
            self._report(replace(self.status, error=None))
        elif self._started:
            self._task = create_logged_task(self._watch(), f"motion of {self.camera.settings.name}")

    def _camera_changed(self) -> None:
        if not self.camera.enabled:
            self._clear()
        elif not self.camera.available:
            # When it is back, it may show something else, and it measures the light anew.
            self._forget()

    def _clear(self) -> None:
        """Forget what was seen: motion has ended."""
        self._forget()
        self._moved_at = -math.inf
        self._end_motion()

    def _end_motion(self) -> None:
        if self.status.motion:
            _LOGGER.debug("%s: no motion any more", self.camera.settings.name)
            self._report(MotionStatus(error=self.status.error))

    async def _watch(self) -> None:
        settings = self.settings
        seen = self._latest_sequence()
        due = -math.inf
        self._reported_at = -math.inf
        with self.camera.demand.watching(max(_MIN_CAPTURE_FPS, _CAPTURES_PER_LOOK * settings.fps)):
            while True:
                frame = await self._next_frame(seen)
                if frame is None:
                    self._end_motion()
                    continue
                seen = frame.sequence
                if frame.drawn:
                    continue
                now, interval = time.monotonic(), 1 / settings.fps
                due = (due if due > now - interval else now) + interval
                await self._look_at(frame)
                await asyncio.sleep(max(0.0, due - self._earliness() - time.monotonic()))
                # The next frame is due now. The one before it would be looked at late.
                seen = max(seen, self._latest_sequence())

    def _latest_sequence(self) -> int:
        latest = self.camera.broadcast.latest
        return -1 if latest is None else latest.sequence

    def _earliness(self) -> float:
        """Return how many seconds before a look is due its frame is waited for: half of the time between two frames."""
        rate = self.camera.capture_rate.per_second(time.monotonic())
        return 0.5 / max(rate, self.settings.fps)

    async def _next_frame(self, seen: int) -> Frame | None:
        """Return the next frame, or None as soon as nothing has moved for long enough."""
        clear_at = self._moved_at + self.settings.clear_after
        now = time.monotonic()
        if self.status.motion and now >= clear_at:
            return None
        try:
            async with asyncio.timeout(clear_at - now if self.status.motion else None):
                return await self.camera.broadcast.newer_than(seen)
        except TimeoutError:
            return None

    async def _look_at(self, frame: Frame) -> None:
        if self._looking is not None:
            # The thread of a look that was given up cannot be ended, and the detector takes one picture at a time.
            await asyncio.wait([self._looking])
        generation, settings = self._generation, self.settings
        make = partial(
            self._make_detector, sensitivity=settings.sensitivity, watch=settings.watch, ignore=settings.ignore
        )
        try:
            look = partial(_timed_look, self._detector, make, frame)
            self._looking = asyncio.create_task(run_in_daemon_thread(look, "motion"))
            done, _ = await asyncio.wait([self._looking], timeout=LOOK_TIMEOUT)
            if not done:
                self._failures = FAILURES
                self._failed(TimeoutError(f"the detector takes longer than {LOOK_TIMEOUT:.0f} s for a picture"))
                await asyncio.wait([self._looking])
            detector, seen, cpu_seconds = self._looking.result()
        except Exception as error:  # noqa: BLE001  (whatever the detector does, the camera goes on)
            self._failed(error)
            return
        self._failures = 0
        self.stats.count += 1
        self.stats.cpu_seconds += cpu_seconds
        if generation == self._generation and not self.camera.broadcast.is_withdrawn(frame):
            self._detector = detector
            self._seen(seen)

    def _forget(self) -> None:
        """Use a new detector from now on: what comes is not to be compared with what was."""
        self._detector = None
        self._generation += 1

    def _failed(self, error: Exception) -> None:
        """Log that a look failed, and go on; after anything but a damaged picture with a new detector."""
        name, reason = self.camera.settings.name, str(error) or type(error).__name__
        if isinstance(error, ValueError):
            self._rate_limited_log.warn("picture", f"{name}: a picture is not looked at for motion: {reason}")
        else:
            self._forget()
            self._rate_limited_log.exception("detector", f"{name}: the motion detector failed", error)
        self._failures += 1
        if self._failures >= FAILURES:
            self._end_motion()
            self._report(replace(self.status, error=f"nothing can be detected: {reason}"))

    def _seen(self, look: "Look") -> None:
        now = time.monotonic()
        for listener in self.on_look:
            notify(listener, look)
        if look.moving:
            self._moved_at = now
        area = look.area if look.moving else self.status.area
        box = look.box if look.moving else self.status.box
        if look.moving and not self.status.motion:
            _LOGGER.debug("%s: motion in %.1f %% of the picture", self.camera.settings.name, 100 * area)
            self._report(MotionStatus(motion=True, area=area, box=box))
        elif self.status.motion and now - self._moved_at >= self.settings.clear_after:
            self._end_motion()
        elif self.status.error is not None:
            self._report(replace(self.status, error=None))
        elif self.status.motion and now - self._reported_at >= REPORT_INTERVAL:
            self._report(replace(self.status, area=area, box=box))

    def _report(self, status: MotionStatus) -> None:
        if status == self.status:
            return
        self.status = status
        self._reported_at = time.monotonic()
        self._notify()

    def _notify(self) -> None:
        for listener in self.on_change:
            notify(listener)


def _make_detector(**settings: Any) -> Detector:  # noqa: ANN401  (those of `MotionDetector`)
    # A server that detects no motion needs no Pillow.
    from pi_mjpeg_server.motion.detector import MotionDetector  # noqa: PLC0415

    return MotionDetector(**settings)


def _timed_look(
    detector: Detector | None, make: Callable[[], Detector], frame: Frame
) -> tuple[Detector, "Look", float]:
    """Look at a picture, with a new detector if there is none, and return both and the processor time."""
    began = time.thread_time()
    detector = detector or make()
    look = detector.look(frame.jpeg, frame.taken, frame.exposure)
    return detector, look, time.thread_time() - began
