"""One upstream for all viewers of a camera, open only while somebody watches."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ..api.frame import Frame
from .broadcast import Broadcast
from .dashboard_recall import DashboardRecall
from .stall_detector import STALL_TIMEOUT, CreateTask, StallDetector
from .upstream import MIN_RETRY_DELAY, Upstream

LINGER: Final = 5.0
"""Seconds for which the upstream stays open without viewers: a reloaded page finds it running."""

LEAVE_TIMEOUT: Final = 0.5
"""Seconds that a dismissed viewer has for the picture that is being sent. Home Assistant stops only without viewers."""


@dataclass(eq=False, slots=True)
class Viewer:
    """One viewer of the stream. A browser's is on a dashboard, and `token` is in its URL."""

    for_browser: bool
    token: str = ""
    dismissed: bool = False
    """Whether its response has to end."""
    on_dismiss: Callable[[], None] | None = None
    """Called when it is dismissed."""

    def dismiss(self) -> None:
        """Have the response end: now, or after `LEAVE_TIMEOUT` if the viewer does not take what is being sent."""
        self.dismissed = True
        if self.on_dismiss is not None:
            self.on_dismiss()


class Hub:
    """Keeps one stream open for as long as somebody watches, and broadcasts its frames.

    Viewers stay while the upstream is stalled or away: they keep the last frame, then get a drawn one, then new ones.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], AsyncGenerator[Frame]],
        create_task: CreateTask,
        draw_stalled: Callable[[bytes | None], Awaitable[bytes]],
        on_stall_end: Callable[[], None],
        *,
        linger: float = LINGER,
        retry_delay: float = MIN_RETRY_DELAY,
        stall_timeout: float = STALL_TIMEOUT,
    ) -> None:
        """Name the tasks and log lines after `name`. The stream is opened for the first viewer.

        `draw_stalled` returns the JPEG that is shown while no frames come, given the last one. `on_stall_end` is called
        when new ones come. The times are in seconds.
        """
        self.closed = False
        self.paused = False
        """Whether viewers see what `show` was given instead of the live picture."""
        self.dashboard_recall = DashboardRecall()
        self._name = name
        self._create_task = create_task
        self._draw_stalled = draw_stalled
        self._on_stall_end = on_stall_end
        self._linger = linger
        self.broadcast = Broadcast()
        self._upstream = Upstream(name, open_stream, self._take, retry_delay=retry_delay)
        self._stall = StallDetector(self._start_drawing, stall_timeout)
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def latest(self) -> Frame | None:
        """The frame that came last. None if the upstream gave none since it was opened."""
        return self.broadcast.latest

    @property
    def is_stalled(self) -> bool:
        """Whether frames should come and do not."""
        return self._stall.is_stalled

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return len(self._viewers)

    @contextmanager
    def viewing(self, *, for_browser: bool = False, token: str = "") -> Iterator[Viewer]:
        """Count as a viewer, which keeps the upstream open, until the block ends. `token` is the one in its URL."""
        viewer = Viewer(for_browser, token, dismissed=self.closed)
        self._viewers.add(viewer)
        if not self.closed:
            self._open_upstream()
        try:
            yield viewer
        finally:
            self._viewers.discard(viewer)
            if for_browser and self.is_stalled and not viewer.dismissed:
                self.dashboard_recall.dashboard_lost(token)
            if not self._viewers and self._task is not None:
                self._lingering = asyncio.get_running_loop().call_later(self._linger, self._close_upstream)

    def retry_now(self) -> None:
        """End the wait before the next attempt to open the stream: the server is known to be back."""
        self._upstream.retry_now()

    def recall_dashboards(self) -> bool:
        """Return whether the URL has to change now, because dashboards lost the stream and frames come again.

        The browsers that still watch are dismissed then, to ask for the new URL as well. A browser keeps an old
        response until the new one paints, and has six connections for all of them.
        """
        if self.is_stalled or not self.dashboard_recall.is_needed:
            return False
        self._dismiss(browsers_only=True)
        return True

    def pause(self) -> None:
        """Close the upstream now. Viewers stay, and none gets a picture of it any more."""
        self.paused = True
        self.dashboard_recall.forget()
        self._close_upstream()

    def show(self, jpeg: bytes) -> None:
        """Show this picture to all viewers until `resume`, if the hub is paused."""
        if self.paused:
            self.broadcast.publish(Frame(jpeg, received=time.monotonic(), drawn=True))

    def resume(self) -> None:
        """Show the live picture again. The one that `show` was given stays until a frame comes."""
        self.paused = False
        if self._viewers and not self.closed:
            self._open_upstream()

    async def close(self) -> None:
        """Close the upstream for good and dismiss all viewers. No task is left when this returns."""
        self.closed = True
        tasks = [task for task in (self._task, self._stall.drawing) if task is not None]
        self._close_upstream()
        self._dismiss()
        if tasks:
            await asyncio.wait(tasks)

    def _dismiss(self, *, browsers_only: bool = False) -> None:
        for viewer in self._viewers:
            if viewer.for_browser or not browsers_only:
                viewer.dismiss()

    def _open_upstream(self) -> None:
        """Open the upstream unless it is open or the hub is paused."""
        if self.paused:
            return
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is None or self._task.done():
            self._task = self._create_task(self._upstream.run(), f"pi_mjpeg stream of {self._name}")
            self._stall.expect_frame()

    def _close_upstream(self) -> None:
        """Close the upstream. Its last frame goes with it: the next viewer must not see an old one first."""
        self._stall.stop()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self.broadcast.withdraw()

    def _take(self, frame: Frame) -> None:
        was_stalled = self.is_stalled
        self._stall.expect_frame()
        if not frame.repeats(self.latest):
            self.broadcast.publish(frame)
        if was_stalled:
            self._on_stall_end()

    def _start_drawing(self) -> asyncio.Task[None]:
        return self._create_task(self._show_stalled(), f"pi_mjpeg placard of {self._name}")

    async def _show_stalled(self) -> None:
        jpeg = await self._draw_stalled(self.latest.jpeg if self.latest and not self.latest.drawn else None)
        self.broadcast.publish(Frame(jpeg, received=time.monotonic(), drawn=True))
