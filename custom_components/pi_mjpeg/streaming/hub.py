"""One upstream for all viewers of a camera, open only while somebody watches."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from ..api.frame import Frame
from .broadcast import Broadcast
from .gap import GAP_TIMEOUT, CreateTask, Gap
from .lost_dashboards import LostDashboards
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
    deadline: asyncio.Timeout | None = None
    """Until when it has to take what is being sent to it. None while nothing is."""

    def dismiss(self) -> None:
        """Have the response end: now, or after `LEAVE_TIMEOUT` if the viewer does not take what is being sent."""
        self.dismissed = True
        leave_by = asyncio.get_running_loop().time() + LEAVE_TIMEOUT
        if self.deadline is not None and not self.deadline.expired():
            self.deadline.reschedule(min(leave_by, self.deadline.when() or leave_by))


class Hub:
    """Keeps one stream open for as long as somebody watches, and broadcasts its frames.

    Viewers stay across gaps of the upstream: they keep the last frame, then get a drawn one, then new ones.
    """

    def __init__(
        self,
        name: str,
        open_stream: Callable[[], AsyncGenerator[Frame]],
        create_task: CreateTask,
        draw_gap: Callable[[bytes | None], Awaitable[bytes]],
        on_gap_end: Callable[[], None],
        *,
        linger: float = LINGER,
        retry_delay: float = MIN_RETRY_DELAY,
        gap_timeout: float = GAP_TIMEOUT,
    ) -> None:
        """Name the tasks and log lines after `name`. The stream is opened for the first viewer.

        `draw_gap` returns the JPEG that is shown in a gap, given the last one. `on_gap_end` is called when new frames
        come. The times are in seconds.
        """
        self.closed = False
        self.paused = False
        """Whether viewers see what `show` was given instead of the live picture."""
        self.lost_dashboards = LostDashboards()
        self._name = name
        self._create_task = create_task
        self._draw_gap = draw_gap
        self._on_gap_end = on_gap_end
        self._linger = linger
        self._broadcast = Broadcast()
        self._upstream = Upstream(name, open_stream, self._take, retry_delay=retry_delay)
        self._gap = Gap(self._start_drawing, gap_timeout)
        self._viewers: set[Viewer] = set()
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def latest(self) -> Frame | None:
        """The frame that came last. None if the upstream gave none since it was opened."""
        return self._broadcast.latest

    @property
    def in_gap(self) -> bool:
        """Whether frames should come and do not."""
        return self._gap.active

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
            if for_browser and self.in_gap and not viewer.dismissed:
                self.lost_dashboards.lost(token)
            if not self._viewers and self._task is not None:
                self._lingering = asyncio.get_running_loop().call_later(self._linger, self._close_upstream)

    async def newer_than(self, frame: Frame | None) -> Frame | None:
        """Return the latest frame as soon as it is not `frame`; earlier when viewers are dismissed."""
        return self.latest if self.closed else await self._broadcast.newer_than(frame)

    def retry_now(self) -> None:
        """End the wait before the next attempt to open the stream: the server is known to be back."""
        self._upstream.retry_now()

    def recall_dashboards(self) -> bool:
        """Return whether the URL has to change now, because dashboards lost the stream and frames come again.

        The browsers that still watch are dismissed then, to ask for the new URL as well. A browser keeps an old
        response until the new one paints, and has six connections for all of them.
        """
        if self.in_gap or not self.lost_dashboards.waiting:
            return False
        self._dismiss(browsers_only=True)
        return True

    def pause(self) -> None:
        """Close the upstream now. Viewers stay, and none gets a picture of it any more."""
        self.paused = True
        self.lost_dashboards.forget()
        self._close_upstream()
        # A viewer repeats the frame that it has, unless it is told that there is none.
        self._broadcast.wake()

    def show(self, jpeg: bytes) -> None:
        """Show this picture to all viewers until `resume`, if the hub is paused."""
        if self.paused:
            self._broadcast.publish(Frame(jpeg, received=time.monotonic(), drawn=True))

    def resume(self) -> None:
        """Show the live picture again. The one that `show` was given stays until a frame comes."""
        self.paused = False
        if self._viewers and not self.closed:
            self._open_upstream()

    async def close(self) -> None:
        """Close the upstream for good and dismiss all viewers. No task is left when this returns."""
        self.closed = True
        tasks = [task for task in (self._task, self._gap.drawing) if task is not None]
        self._close_upstream()
        self._dismiss()
        if tasks:
            await asyncio.wait(tasks)

    def _dismiss(self, *, browsers_only: bool = False) -> None:
        for viewer in self._viewers:
            if viewer.for_browser or not browsers_only:
                viewer.dismiss()
        self._broadcast.wake()

    def _open_upstream(self) -> None:
        """Open the upstream unless it is open or the hub is paused."""
        if self.paused:
            return
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is None or self._task.done():
            self._task = self._create_task(self._upstream.run(), f"pi_mjpeg stream of {self._name}")
            self._gap.expect_frame()

    def _close_upstream(self) -> None:
        """Close the upstream. Its last frame goes with it: the next viewer must not see an old one first."""
        self._gap.stop()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._broadcast.latest = None

    def _take(self, frame: Frame) -> None:
        was_in_gap = self.in_gap
        self._gap.stop()
        self._gap.expect_frame()
        if not frame.repeats(self.latest):
            self._broadcast.publish(frame)
        if was_in_gap:
            self._on_gap_end()

    def _start_drawing(self) -> asyncio.Task[None]:
        return self._create_task(self._show_gap(), f"pi_mjpeg placard of {self._name}")

    async def _show_gap(self) -> None:
        jpeg = await self._draw_gap(self.latest.jpeg if self.latest and not self.latest.drawn else None)
        self._broadcast.publish(Frame(jpeg, received=time.monotonic(), drawn=True))
