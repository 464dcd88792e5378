"""The pictures of a camera at one width: scaled once for all who watch them."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from pi_mjpeg_server.camera.broadcast import CHECK_INTERVAL, Broadcast
from pi_mjpeg_server.camera.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.media import placard
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.media.scaling import ScalingError

_MAX_AGE = 1.0
"""Seconds. An older frame is of an earlier capture, or a viewer that has just come waits for the next one."""

_PATIENCE = 1.0
"""Seconds for which no frame can be scaled until a picture says so, and between two such pictures."""


@dataclass(slots=True)
class ScalingCounts:
    """How many frames of a camera were scaled, and how many should have been, but took too long or failed."""

    scaled: int = 0
    dropped: int = 0


class ScaledStream:
    """Scales the frames of a camera's broadcast, and publishes them in `broadcast`, while somebody watches that.

    It is one subscriber of the camera's broadcast, and has no queue: one frame is scaled at a time, and the next one is
    the latest then. No more frames are scaled than the viewer with the highest rate asked for.
    """

    def __init__(
        self,
        name: str,
        width: int,
        source: Broadcast,
        scale: Callable[[Frame, int], Awaitable[bytes]],
        counts: ScalingCounts,
    ) -> None:
        """Scale frames of `source`, which is that of the camera `name`, to `width` pixels.

        `scale` returns the JPEG of a frame at a width, or the frame's own if that is not wider, and raises
        `ScalingError`.
        """
        self.broadcast = Broadcast()
        self.width = width
        self._name = name
        self._source = source
        self._scale = scale
        self._counts = counts
        self._rates: list[float] = []
        self._subscription = contextlib.ExitStack()
        self._limiter: FrameRateLimiter | None = None
        self._task: asyncio.Task[None] | None = None
        """Scales one frame."""
        self._last_was_drawn = True
        self._missed = 0
        self._failing_since: float | None = None
        self._said_at = -math.inf
        self._rate_limited_log = RateLimitedLog()

    @contextlib.contextmanager
    def watching(self, fps: float | None) -> Iterator[None]:
        """Scale `fps` frames a second, or all of them, inside the `with` block."""
        rate = fps or math.inf
        latest, now = self.broadcast.latest, time.monotonic()
        waits = latest is None or now - latest.taken >= _MAX_AGE
        is_fastest = rate > max(self._rates, default=0.0)
        self._rates.append(rate)
        if waits or is_fastest:
            self._limit_rate()
        if len(self._rates) == 1:
            self._start()
        try:
            yield
        finally:
            self._rates.remove(rate)
            if not self._rates:
                self._stop()
            elif rate > max(self._rates):
                self._limit_rate()

    @property
    def is_watched(self) -> bool:
        """Whether anybody watches."""
        return bool(self._rates)

    def frame_published(self, frame: Frame, now: float) -> None:
        """Scale the frame, unless another one is being scaled or it is not due (called by the camera's broadcast)."""
        if self._task is not None:
            self._missed += 1
            return
        if self._limiter is None:
            self._counts.dropped += self._missed
        # Whatever the rate is, viewers are told at once that the camera fails or is switched off, or that it is back.
        elif frame.drawn or self._last_was_drawn or self._limiter.is_due(now, self._source.rate.per_second(now)):
            self._counts.dropped += self._limiter.sent(now, self._missed)
        else:
            self._missed = 0
            return
        self._missed = 0
        self._last_was_drawn = frame.drawn
        self._task = create_logged_task(self._publish_scaled(frame), f"scaled stream of {self._name}")
        self._task.add_done_callback(self._go_on)

    def frames_withdrawn(self) -> None:
        """Withdraw the scaled frames too, and wait for none of them (called by the camera's broadcast)."""
        self.broadcast.withdraw()
        self._cancel()

    def check(self, now: float) -> float:
        """Do nothing: what viewers need is done by the check of `broadcast` (called by the camera's broadcast)."""
        return now + CHECK_INTERVAL

    def _limit_rate(self) -> None:
        """Scale as many frames a second as the fastest viewer wants from now on, the next one included."""
        self.broadcast.max_rate = rate = max(self._rates)
        self._limiter = None if math.isinf(rate) else FrameRateLimiter(rate, time.monotonic())

    def _start(self) -> None:
        self._subscription.enter_context(self._source.subscribed(self))
        latest, now = self._source.latest, time.monotonic()
        if latest is not None and now - latest.taken < _MAX_AGE:
            self.frame_published(latest, now)

    def _stop(self) -> None:
        self._subscription.close()
        self._cancel()

    def _cancel(self) -> None:
        self._missed = 0
        task, self._task = self._task, None
        if task is not None:
            task.cancel()

    def _go_on(self, ended: asyncio.Task[None]) -> None:
        """Go on with the frame that is the latest now, if any came while the one before was scaled."""
        if self._task is not ended:
            return
        self._task = None
        latest = self._source.latest
        if self._missed and latest is not None:
            self._missed -= 1
            self.frame_published(latest, time.monotonic())

    async def _publish_scaled(self, frame: Frame) -> None:
        try:
            jpeg = await self._scale(frame, self.width)
        except (ScalingError, RuntimeError) as error:
            # A RuntimeError says that there is no thread.
            self._counts.dropped += 1
            await self._say(str(error), frame)
            return
        self._failing_since = None
        if jpeg is not frame.jpeg:
            self._counts.scaled += 1
            frame = replace(frame, jpeg=jpeg)
        self._publish(frame)

    def _publish(self, frame: Frame) -> None:
        if not frame.drawn:
            self.broadcast.rate.tick(time.monotonic())
        self.broadcast.publish(frame)

    async def _say(self, reason: str, frame: Frame) -> None:
        """Show why there is no picture, if there has been none for a while. A single damaged frame is just left out."""
        self._rate_limited_log.warn("scaling", f"{self._name}: a picture cannot be {self.width} pixels wide: {reason}")
        now = time.monotonic()
        if self._failing_since is None:
            self._failing_since = now
        if now - self._failing_since < _PATIENCE or now - self._said_at < _PATIENCE:
            return
        self._said_at = now
        size, since = (self.width, self.width * 9 // 16), time.time() - (now - self._failing_since)
        draw = partial(placard.draw, size, f"{self._name}: no small picture", reason, since, time.time())
        try:
            jpeg = await run_in_daemon_thread(draw, "placard")
        except (OSError, MemoryError, RuntimeError) as error:
            self._rate_limited_log.warn("placard", f"{self._name}: no picture can be drawn: {error}")
        else:
            self._publish(replace(frame, jpeg=jpeg, drawn=True))
