"""Supervises one source by its pictures: starts it on demand, and restarts it when it fails, unless it is stuck."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TypeVar

from pi_mjpeg_server.camera.capture import Capture
from pi_mjpeg_server.camera.deadlines import Deadlines
from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.camera.state import CameraState, CameraStatus
from pi_mjpeg_server.camera.status_keeper import StatusKeeper
from pi_mjpeg_server.camera.still_taker import Still, StillLimits
from pi_mjpeg_server.camera.supervisor_listener import SupervisorListener
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.concurrency.listeners import notify
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import CameraFoundError, DeviceBusyError, Source, SourceError, SourceInfo
from pi_mjpeg_server.sources.controls import Control
from pi_mjpeg_server.sources.driver_text import printable

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

START_TIMEOUT = 20.0
"""Seconds from requesting pictures to the first one; importing Picamera2 on a Pi Zero 2 is part of it."""
STOP_TIMEOUT = 5.0
"""Seconds a driver may take to stop capturing."""
CONTROL_TIMEOUT = 5.0
"""Seconds a driver may take to set controls."""
FRAME_TIMEOUT = 5.0
"""Seconds without a picture (or the time of ten pictures, if that is longer) before a live camera counts as failing."""
RESPONSE_TIMEOUT = 2.0
"""Seconds after which a driver counts as not responding; a source yields at least once a second."""
STILL_TIMEOUT = 4.0
"""Seconds that each step of a full-size still may take, that a still may fail to come, and the first picture after."""
RETRY_DELAYS = (0.5, 1.0, 2.0, 3.0)
"""Seconds before each retry; the last holds for all later ones, so a camera plugged in again is live within five."""
MAX_ABANDONED_THREADS = 3
"""Driver calls that never returned, before the camera counts as stuck."""
MAX_BUSY_RETRIES = 5
"""Retries that found the device busy because of such a call, before the camera counts as stuck."""


class Supervisor:
    """The state machine of one camera. All methods belong to the event loop.

    At the start it takes one picture, so that the state is true before the first viewer comes. It judges the camera by
    its pictures alone, because an encoder may stop without an error while the camera goes on. When a camera fails,
    first the capture is restarted, then the device is opened again, over and over. Driver calls that never return are
    abandoned with their threads; after `MAX_ABANDONED_THREADS` of them the camera is stuck. It is too when such a call
    keeps the device, so that it cannot be opened again.

    An exception that the listener raises is logged and changes nothing.
    """

    def __init__(self, name: str, make_source: Callable[[], Source], listener: SupervisorListener) -> None:
        """Prepare an idle camera. `make_source` is called off the event loop, each time the device is opened."""
        self._name = name
        self._make_source = make_source
        self._listener = listener
        self._capture: Capture | None = None
        self._rate_limit: float | None = None
        self._keeper = StatusKeeper(name, listener.state_changed)
        self._enabled = True
        self._probing = True
        self._fps = 1.0
        self._deadlines = Deadlines()
        self._capture_restarted = False
        self._damage: str | None = None
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def status(self) -> CameraStatus:
        """The state and its history."""
        return self._keeper.status

    @status.setter
    def status(self, status: CameraStatus) -> None:
        self._keeper.status = status

    def start(self) -> None:
        """Start to supervise."""
        self._task = create_logged_task(self._supervise(), f"supervisor of {self._name}")

    async def stop(self) -> None:
        """Stop capturing and close the device, within `STOP_TIMEOUT` seconds whatever the driver does."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        capture = self._capture
        if capture is not None:
            capture.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_TIMEOUT):
                    while self._capture is capture:
                        self._wake.clear()
                        await self._wake.wait()

    def disable(self, reason: str | None) -> None:
        """Close the device and keep it closed until `enable`. `reason` says why, None if a person switched it off.

        A driver call that is under way cannot be interrupted: the device is closed as soon as it returns. No picture
        passes from now on.
        """
        self._enabled = False
        self._deadlines.clear()
        if self._capture is not None:
            self._capture.close()
        self.status = replace(self.status, last_error=None)
        self._keeper.enter(CameraState.OFF, reason)

    def enable(self) -> None:
        """Open the device again, and take one picture as at the start. Does nothing if it is not disabled."""
        if self._enabled:
            return
        self._enabled = True
        self._keeper.retries.now()
        self._keeper.abandoned.forget_busy()
        self._capture_restarted = False
        self._probing = True
        if self._capture is not None:
            self._deadlines.capture = time.monotonic() + STOP_TIMEOUT
        if not self._keeper.is_stuck("the driver does not answer", MAX_ABANDONED_THREADS, MAX_BUSY_RETRIES):
            self._keeper.enter(CameraState.STARTING)
        self.wake()

    def wake(self) -> None:
        """Run the state machine now, because the demand for pictures has changed."""
        self._wake.set()

    def limit_rate(self, fps: float | None) -> None:
        """Let the source give as few as `fps` pictures a second from now on, if it can; None for the usual rate."""
        self._rate_limit = fps
        if self._capture is not None:
            self._capture.rate_limit = fps

    def restart(self) -> None:
        """Close the device and open it again, on request.

        It does not make up for pictures that did not come: deadlines, abandoned driver calls and what they keep busy
        stay. A stuck camera is tried again if a driver call has returned meanwhile; otherwise raises
        `CameraUnavailableError`.
        """
        if self._keeper.state is CameraState.STUCK:
            if self._keeper.abandoned.tries_in_vain(MAX_ABANDONED_THREADS, MAX_BUSY_RETRIES) is not None:
                raise CameraUnavailableError(self.status.reason)
            self._keeper.enter(CameraState.FAILING, self.status.reason)
        self._keeper.retries.now()
        if self._capture is not None:
            self._capture.close()
            if self._deadlines.capture == math.inf:
                self._deadlines.capture = time.monotonic() + STOP_TIMEOUT
        self._probing = True
        self.wake()

    async def run(self, job: Callable[[Source], _T]) -> _T:
        """Call `job` with the open source, in its thread. Return its result or raise its exception.

        Raises `SourceError` when the device is not open or the job does not return within `CONTROL_TIMEOUT` seconds.
        """
        if self._capture is None:
            raise SourceError(self.status.reason or "the camera is not open")
        try:
            async with asyncio.timeout(CONTROL_TIMEOUT):
                return await self._capture.run(job)
        except TimeoutError:
            raise SourceError(f"the camera did not answer within {CONTROL_TIMEOUT:.0f} s") from None

    async def take_still(self, warm_up: float) -> Still:
        """Have the source take a still, none in the first `warm_up` seconds, and return it when pictures come again.

        Raises `SourceError` when the device is not open or has no stills, and what the source raises.
        """
        if self._capture is None:
            raise SourceError(self.status.reason or "the camera is not open")
        return await self._capture.take_still(StillLimits(warm_up, self._still_timeout))

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Pass on what the device offers (called by the capture)."""
        self._fps = info.fps or self._fps
        notify(self._listener.source_opened, info, controls)

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """Pass a picture on, unless the device is to be closed (called by the capture)."""
        if self._capture is None or self._capture.is_closing:
            return
        self._deadlines.picture_received(time.monotonic() + self._frame_timeout)
        self._probing = False
        self._damage = None
        self._keeper.retries.succeeded()
        self._capture_restarted = False
        if self._keeper.state is not CameraState.LIVE:
            self._keeper.enter(CameraState.LIVE)
            self.wake()
        notify(self._listener.picture_received, picture, capture_drops)

    def picture_replaced(self, picture: Picture) -> None:
        """Pass it on, unless the device is to be closed (called by the capture)."""
        if self._capture is not None and not self._capture.is_closing:
            notify(self._listener.picture_replaced, picture)

    def size_changed(self, size: tuple[int, int]) -> None:
        """Pass it on (called by the capture)."""
        notify(self._listener.size_changed, size)

    def pictures_damaged(self, count: int, damage: str) -> None:
        """Note why there is no picture (called by the capture): a camera that sends damaged ones has started."""
        notify(self._listener.pictures_dropped, count)
        if self._capture is None or self._capture.is_closing:
            return
        self._damage = damage
        soon = time.monotonic() + self._frame_timeout
        if soon < self._deadlines.capture < math.inf:
            self._deadlines.capture = soon
            self.wake()

    def still_progressed(self) -> None:
        """Expect the next step of a still (called by the capture), not a picture."""
        if self._capture is not None and not self._capture.is_closing:
            self._deadlines.capture = time.monotonic() + self._still_timeout
            self.wake()

    def capture_paused(self) -> None:
        """Note that the source has stopped capturing (called by the capture)."""
        if self._capture is None or self._capture.is_closing:
            # `source_closed` follows.
            return
        resumed = self._capture.is_resumed
        if not resumed:
            self._deadlines.clear()
        if self._keeper.state is not CameraState.FAILING:
            self._keeper.enter(CameraState.STARTING if resumed else CameraState.IDLE)
        self.wake()

    def source_closed(self, error: Exception | None) -> None:
        """Note that the device is closed (called by the capture)."""
        self._capture = None
        if not self._enabled:
            _LOGGER.debug("%s: the source ended while it is off", self._name, exc_info=error)
        elif isinstance(error, CameraFoundError):
            _LOGGER.info("%s: %s", self._name, error)
            self._probing = True
            self._deadlines.first_picture = math.inf
            self._keeper.enter(CameraState.STARTING)
        elif error is not None:
            _LOGGER.debug("%s: the source ended", self._name, exc_info=error)
            reason = printable(str(error)) or type(error).__name__
            if isinstance(error, DeviceBusyError) and self._keeper.abandoned.explain_busy():
                reason = "the camera does not answer: a call of its driver that never returned keeps it busy"
            self._fail(reason)
        elif self._keeper.state in {CameraState.LIVE, CameraState.STARTING}:
            self._keeper.enter(CameraState.IDLE)
        self.wake()

    @property
    def _frame_timeout(self) -> float:
        return max(FRAME_TIMEOUT, 10 / self._fps)

    @property
    def _still_timeout(self) -> float:
        return max(STILL_TIMEOUT, 10 / self._fps)

    async def _supervise(self) -> None:
        while True:
            self._wake.clear()
            now = time.monotonic()
            self._step(now)
            wake_at = min((moment for moment in self._moments() if now < moment < math.inf), default=math.inf)
            await wait_for_event(self._wake, None if wake_at == math.inf else wake_at - now)
            self._deadlines.extend(time.monotonic() - wake_at, self._frame_timeout)

    def _step(self, now: float) -> None:
        """Compare what is demanded with what the capture does, and take the next step towards it."""
        capture = self._capture
        if not self._enabled:
            return
        demanded = self._probing or self._keeper.state is CameraState.FAILING or now < self._demanded_until()
        if capture is None:
            if demanded and self._keeper.state is not CameraState.STUCK and now >= self._keeper.retries.due_at:
                self._open(now)
        elif now >= self._deadlines.capture:
            self._handle_timeout(capture, now)
        elif capture.is_closing:
            pass  # It is opened again when it is closed, or abandoned at the deadline.
        elif demanded and not capture.is_resumed:
            self._deadlines.started(now + START_TIMEOUT)
            self._keeper.enter_if(CameraState.IDLE, CameraState.STARTING)
            capture.resume()
        elif not demanded and capture.is_resumed:
            self._deadlines.capture = now + STOP_TIMEOUT
            capture.pause()
        if self._keeper.state.is_available and now >= self._deadlines.first_picture:
            # Each restart on request gives the device a new deadline, but not the camera.
            self._keeper.enter(
                CameraState.FAILING, f"no picture came within {START_TIMEOUT:.0f} s, with restarts in between"
            )

    def _moments(self) -> list[float]:
        """Return the times, on the monotonic clock, at which `_step` may have something to do."""
        next_step = self._keeper.retries.due_at if self._capture is None else self._deadlines.capture
        return [self._demanded_until(), self._deadlines.first_picture, next_step]

    def _demanded_until(self) -> float:
        """Return the listener's answer, or 0 (not demanded) if it raises."""
        try:
            return self._listener.demanded_until()
        except Exception:
            _LOGGER.exception("%s: cannot tell whether pictures are demanded", self._name)
            return 0.0

    def _open(self, now: float) -> None:
        self._deadlines.started(now + START_TIMEOUT)
        self._damage = None
        self._keeper.enter_if(CameraState.IDLE, CameraState.STARTING)
        capture = Capture(self._name, self._make_source, self)
        capture.rate_limit = self._rate_limit
        capture.resume()
        try:
            capture.start()
        except RuntimeError as error:
            # The memory or the number of threads is used up, which may pass.
            self._fail(f"no thread for the camera: {error}")
        else:
            self._capture = capture

    def _handle_timeout(self, capture: Capture, now: float) -> None:
        """Act on a deadline that has passed: restart the capture first, then open the device again."""
        responds = capture.seconds_since_response < RESPONSE_TIMEOUT
        if capture.is_closing or (not capture.is_resumed and not responds):
            self._abandon(f"the camera did not stop within {STOP_TIMEOUT:.0f} s")
        elif responds and not self._capture_restarted:
            self._capture_restarted = True
            self._keeper.restarted()
            self._deadlines.capture = now + START_TIMEOUT
            symptom = f"damaged pictures: {self._damage}" if self._damage else "no picture comes from the camera"
            self._keeper.enter(CameraState.FAILING, f"{symptom}; restarting it")
            capture.restart()
        elif responds and self._damage:
            self._abandon(f"the camera sends only damaged pictures: {self._damage}")
        else:
            symptom = "answers but gives no picture" if responds else "does not answer"
            self._abandon(f"the camera {symptom}: check its cable, its power and its temperature")

    def _abandon(self, reason: str) -> None:
        """Leave a driver call alone in its thread, and go on without it."""
        if self._capture is not None:
            self._keeper.abandoned.add(self._capture)
            self._capture = None
        self._fail(reason)

    def _fail(self, reason: str) -> None:
        self._deadlines.capture = math.inf
        self._probing = False
        self._capture_restarted = False
        self._keeper.failed(reason, RETRY_DELAYS, MAX_ABANDONED_THREADS, MAX_BUSY_RETRIES)
