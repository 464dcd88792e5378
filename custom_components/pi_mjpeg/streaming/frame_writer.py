"""Sends a camera's frames to one viewer: always the latest frame, and never an old queue."""

import asyncio
import time
from typing import Final

from aiohttp.abc import AbstractStreamWriter

from ..api.frame import BROWSER_PREAMBLE, PREAMBLE, Frame
from .hub import LEAVE_TIMEOUT, Hub, Viewer

REPEAT_INTERVAL: Final = 1.0
"""Seconds after which the last frame is sent again. Proxies end a response that is silent for 10."""

DRAIN_TIMEOUT: Final = 15.0
"""Seconds that one part may take. A viewer who needs longer is gone, or could not watch anyway."""

_EARLY: Final = 0.05
"""Seconds by which a frame may be repeated early, so that one check repeats those of many viewers."""


class FrameWriter:
    """Sends frames to one viewer, as a subscriber of the hub's broadcast.

    The fast path is a plain call: `frame_published` writes the part, which all viewers share, and the kernel takes all
    of it. The slow path is the coroutine `run`: when the kernel has not taken all of a part, it waits until it has,
    and goes on with the frame that is the latest then. Those that came in between are left out.
    """

    def __init__(
        self, writer: AbstractStreamWriter, transport: asyncio.Transport, hub: Hub, viewer: Viewer, *, chunked: bool
    ) -> None:
        """Send to `transport`, to which `writer` has sent the head of the response, in chunks if it said so there."""
        self._writer = writer
        self._transport = transport
        self._broadcast = hub.broadcast
        self._viewer = viewer
        self._part = Frame.layout(for_browser=viewer.for_browser, chunked=chunked)
        self._sent_at = 0.0
        self._drain_by: float | None = None
        self._missed = True
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Send frames until the viewer leaves, is disconnected or dismissed.

        Raises ConnectionError when the viewer left before the first part.
        """
        self._viewer.on_dismiss = self._dismissed
        self._drain_by = time.monotonic() + DRAIN_TIMEOUT
        with self._broadcast.subscribed(self):
            await self._writer.write(BROWSER_PREAMBLE if self._viewer.for_browser else PREAMBLE)
            await self._writer.drain()
            self._drained(time.monotonic())
            self._broadcast.check_within(REPEAT_INTERVAL)
            while not self._viewer.dismissed and not self._transport.is_closing():
                await self._wake.wait()
                self._wake.clear()
                while self._drain_by is not None:
                    await self._writer.drain()
                    if self._transport.is_closing():
                        return
                    self._drained(time.monotonic())

    def frame_published(self, frame: Frame, now: float) -> None:
        """Send the frame, unless the one before is still being sent (called by the broadcast)."""
        if self._drain_by is not None:
            self._missed = True
        elif not self._viewer.dismissed:
            self._send(frame, now)

    def check(self, now: float) -> float:
        """Repeat the latest frame, or disconnect a viewer that takes none (called by the broadcast)."""
        if self._drain_by is not None:
            if now >= self._drain_by:
                # close() would wait until the viewer has taken what is buffered for it.
                self._transport.abort()
                self._wake.set()
                return now + DRAIN_TIMEOUT
            return self._drain_by
        due = self._sent_at + REPEAT_INTERVAL
        if now < due - _EARLY:
            return due
        if self._broadcast.latest is not None and not self._viewer.dismissed:
            self._send(self._broadcast.latest, now)
        return now + REPEAT_INTERVAL

    def _send(self, frame: Frame, now: float) -> None:
        if self._transport.is_closing():
            self._wake.set()
            return
        self._transport.write(self._part(frame))
        if self._transport.get_write_buffer_size():
            self._drain_by = now + DRAIN_TIMEOUT
            self._missed = False
            self._wake.set()
        else:
            self._sent_at = now

    def _drained(self, now: float) -> None:
        """Go on, now that the kernel has taken all of a part: only then is it known which frame is the latest."""
        self._drain_by = None
        self._sent_at = now
        if self._missed and self._broadcast.latest is not None:
            self.frame_published(self._broadcast.latest, now)

    def _dismissed(self) -> None:
        """Let `run` end: now, or when the viewer has taken what is being sent, for which it has `LEAVE_TIMEOUT`."""
        if self._drain_by is not None:
            self._drain_by = min(self._drain_by, time.monotonic() + LEAVE_TIMEOUT)
            self._broadcast.check_within(LEAVE_TIMEOUT)
        self._wake.set()
