"""Sends the frames of a broadcast to one viewer: always the latest frame, and never an old queue."""

import asyncio
import logging
import time
from collections.abc import Callable

from aiohttp.abc import AbstractStreamWriter

from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import BROWSER_PREAMBLE, PREAMBLE, Frame

_LOGGER = logging.getLogger(__name__)

REPEAT_INTERVAL = 1.0
"""Seconds after which the last frame is sent again, so that no client's read timeout ends the stream."""

DRAIN_TIMEOUT = 15.0
"""Seconds that one part may take. A viewer that needs longer is disconnected."""

_EARLY = 0.05
"""Seconds by which a frame may be repeated early, so that one check repeats those of many viewers."""


class FrameWriter:
    """Sends frames to one viewer, as a subscriber of a broadcast: the camera's own or one of its scaled pictures.

    The fast path is a plain call: `frame_published` writes the part, which all viewers share, and the kernel takes all
    of it. The slow path is the coroutine `run`: when the kernel has not taken all of a part, it waits until it has,
    and goes on with the frame that is the latest then. Those that came in between are left out.
    """

    def __init__(
        self,
        writer: AbstractStreamWriter,
        transport: asyncio.Transport,
        broadcast: Broadcast,
        viewer: ViewerStats,
        limiter: FrameRateLimiter | None,
        *,
        for_browser: bool,
        name: str,
    ) -> None:
        """Send to `transport`, to which `writer` has sent the head of the response, and count in `viewer`.

        The log calls the camera `name`. `limiter` chooses the frames for a viewer that asked for fewer. The body must
        not be chunked.
        """
        self._writer = writer
        self._transport = transport
        self._broadcast = broadcast
        self._viewer = viewer
        self._limiter = limiter
        self._for_browser = for_browser
        self._name = name
        self._frame: Frame | None = None
        self._sent_at = 0.0
        self._drain_by: float | None = None
        self._missed = 0
        self._is_over: Callable[[], bool] = lambda: False
        self._ended = False
        self._wake = asyncio.Event()

    async def run(self, is_over: Callable[[], bool]) -> None:
        """Send frames until the viewer leaves, is disconnected, or `is_over`, which is asked once a second.

        Raises `ConnectionError` when the viewer left before the first part.
        """
        self._is_over = is_over
        self._drain_by = time.monotonic() + DRAIN_TIMEOUT
        with self._broadcast.subscribed(self):
            await self._writer.write(BROWSER_PREAMBLE if self._for_browser else PREAMBLE)
            await self._writer.drain()
            self._begin(time.monotonic())
            while not self._ended and not self._transport.is_closing():
                await self._wake.wait()
                self._wake.clear()
                while self._drain_by is not None:
                    await self._writer.drain()
                    if self._transport.is_closing():
                        return
                    self._drained(time.monotonic())

    def frame_published(self, frame: Frame, now: float) -> None:
        """Send the frame, unless the one before is still being sent or it is not due (called by the broadcast)."""
        if self._drain_by is not None:
            self._missed += 1
            return
        last = self._frame
        if self._limiter is None:
            self._viewer.drops += self._missed
        # Whatever the rate is, a viewer is told at once that the camera fails or is switched off, or that it is back.
        elif last is None or frame.drawn or last.drawn or self._is_due(self._limiter, now):
            self._viewer.drops += self._limiter.sent(now, self._missed)
        else:
            self._missed = 0
            return
        self._missed = 0
        self._frame = frame
        self._send(frame, now)

    def frames_withdrawn(self) -> None:
        """Repeat no frame that was sent before (called by the broadcast)."""
        self._frame = None

    def check(self, now: float) -> float:
        """Repeat the last frame, disconnect a viewer that takes none, or end the stream (called by the broadcast)."""
        if self._is_over():
            self._ended = True
            self._wake.set()
        if self._drain_by is not None:
            if now >= self._drain_by:
                _LOGGER.info("%s: viewer %s took no frame for %.0f s", self._name, self._viewer.address, DRAIN_TIMEOUT)
                # close() would wait until the viewer has taken what is buffered for it.
                self._transport.abort()
                return now + DRAIN_TIMEOUT
            return self._drain_by
        due = self._sent_at + REPEAT_INTERVAL
        if now < due - _EARLY:
            return due
        if self._frame is not None:
            self._send(self._frame, now)
        return now + REPEAT_INTERVAL

    def _begin(self, now: float) -> None:
        """Start with the latest frame, unless it is of an earlier capture."""
        self._drain_by = None
        self._missed = 0
        self._sent_at = now
        self._broadcast.check_within(REPEAT_INTERVAL)
        latest = self._broadcast.latest
        if latest is not None and now - latest.taken < REPEAT_INTERVAL:
            self.frame_published(latest, now)

    def _is_due(self, limiter: FrameRateLimiter, now: float) -> bool:
        # Frames that were chosen for this viewer are not chosen from again, as one that is late would be left out.
        return limiter.fps >= self._broadcast.max_rate or limiter.is_due(now, self._broadcast.rate.per_second(now))

    def _send(self, frame: Frame, now: float) -> None:
        if self._transport.is_closing():
            self._wake.set()
            return
        self._transport.write(frame.browser_part if self._for_browser else frame.part)
        if self._transport.get_write_buffer_size():
            self._drain_by = now + DRAIN_TIMEOUT
            self._wake.set()
        else:
            self._sent_at = now
            self._viewer.send_rate.tick(now)

    def _drained(self, now: float) -> None:
        """Go on, now that the kernel has taken all of a part: only then is it known which frame is the latest."""
        self._drain_by = None
        self._sent_at = now
        self._viewer.send_rate.tick(now)
        latest = self._broadcast.latest
        if self._missed and latest is not None and not self._ended:
            self._missed -= 1
            self.frame_published(latest, now)
