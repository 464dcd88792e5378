"""Notices that no frames come from the server, and has a picture drawn that says so."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

GAP_TIMEOUT: Final = 3.0
"""Seconds without a frame after which there is a gap. A server is never silent for more than one."""

type CreateTask = Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]]
"""Starts a background task under a name."""


class Gap:
    """A timer that each frame starts again. Once it has run out, the gap is `active` until `stop`."""

    def __init__(self, start_drawing: Callable[[], asyncio.Task[None]], timeout: float) -> None:
        """Call `start_drawing` when no frame came for `timeout` seconds."""
        self.active = False
        self.drawing: asyncio.Task[None] | None = None
        self._start_drawing = start_drawing
        self._timeout = timeout
        self._timer: asyncio.TimerHandle | None = None

    def expect_frame(self) -> None:
        """Start the timer again."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(self._timeout, self._begin)

    def stop(self) -> None:
        """End the gap if there is one, and expect no frame any more."""
        self.active = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.drawing is not None:
            self.drawing.cancel()
            self.drawing = None

    def _begin(self) -> None:
        self.active = True
        self.drawing = self._start_drawing()
