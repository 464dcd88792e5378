"""Notices that no frames come from the server, and has a picture drawn that says so."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

STALL_TIMEOUT: Final = 3.0
"""Seconds without a frame after which the stream is stalled. A server is never silent for more than one."""

type CreateTask = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a background task under a name."""


class StallDetector:
    """Says that the stream is stalled when no frame came for a while, until the next one comes."""

    def __init__(self, start_drawing: Callable[[], asyncio.Task[None]], timeout: float) -> None:
        """Call `start_drawing` when no frame came for `timeout` seconds."""
        self.is_stalled = False
        self.drawing: asyncio.Task[None] | None = None
        self._start_drawing = start_drawing
        self._timeout = timeout
        self._expected_by = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def expect_frame(self) -> None:
        """End the stall, if there is one, and expect the next frame within the timeout.

        It is called for each frame, so the timer that runs is left alone: it looks again when it has run out.
        """
        if self.is_stalled:
            self.stop()
        loop = asyncio.get_running_loop()
        self._expected_by = loop.time() + self._timeout
        if self._timer is None:
            self._timer = loop.call_at(self._expected_by, self._check)

    def stop(self) -> None:
        """End the stall, if there is one, and expect no frame any more."""
        self.is_stalled = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.drawing is not None:
            self.drawing.cancel()
            self.drawing = None

    def _check(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._expected_by:
            self._timer = loop.call_at(self._expected_by, self._check)
            return
        self._timer = None
        self.is_stalled = True
        self.drawing = self._start_drawing()
