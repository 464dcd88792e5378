"""One upstream for all viewers of a camera: the latest frame wins, and nobody has a queue."""

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

from ..api.errors import PiMjpegError
from ..api.frame import Frame
from ..const import LOGGER

LINGER: Final = 5.0
"""Seconds for which the upstream stays open without viewers: a reloaded page finds it running."""

RETRY_MINIMUM: Final = 1.0
RETRY_MAXIMUM: Final = 15.0
"""Seconds between two attempts. A Pi takes about 30 s to boot."""


GAP: Final = 3.0
"""Seconds without a frame that are a gap. A server is never silent for more than one."""


@dataclass(eq=False, slots=True)
class Viewing:
    """One viewer's stay. A `browser` shows the stream on a dashboard; when it is `over`, its response has to end."""

    browser: bool
    over: bool = False


class Hub:
    """Keeps one stream open for as long as somebody watches, and the frame that came last.

    Viewers stay across gaps of the upstream: they keep the last frame, then get a drawn one, then new ones.
    """

    def __init__(
        self,
        name: str,
        stream: Callable[[], AsyncGenerator[Frame]],
        create_task: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        draw: Callable[[bytes | None], Awaitable[bytes]],
        on_back: Callable[[], None],
        *,
        linger: float = LINGER,
        retry: float = RETRY_MINIMUM,
        gap: float = GAP,
    ) -> None:
        """Remember how to open a stream and how to start a task; both are used from the first viewer on.

        `draw` makes the JPEG that is shown in a gap, of the last one; `on_back` is called when the gap is over.
        """
        self.name = name
        self.closed = False
        self.awaited = 0
        """How many dashboards lost their view in a gap, or were sent away, and have not come back."""
        self.in_gap = False
        self._viewings: set[Viewing] = set()
        self._draw = draw
        self._on_back = on_back
        self._gap = gap
        self._silence: asyncio.TimerHandle | None = None
        self._drawing: asyncio.Task[None] | None = None
        self._stream = stream
        self._create_task = create_task
        self._linger = linger
        self._retry_minimum = retry
        self._latest: Frame | None = None
        self._newer = asyncio.Event()
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._lingering: asyncio.TimerHandle | None = None

    @property
    def latest(self) -> Frame | None:
        """The frame that came last, None if the upstream gave none since it was opened."""
        return self._latest

    @property
    def viewers(self) -> int:
        """How many watch now."""
        return len(self._viewings)

    @contextmanager
    def watch(self, *, browser: bool = False) -> Iterator[Viewing]:
        """Count as a viewer, which keeps the upstream open, until the block ends."""
        viewing = Viewing(browser, over=self.closed)
        self._viewings.add(viewing)
        if browser:
            self.awaited = max(0, self.awaited - 1)
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if (self._task is None or self._task.done()) and not self.closed:
            self._task = self._create_task(self._run(), f"pi_mjpeg stream of {self.name}")
        try:
            yield viewing
        finally:
            self._viewings.discard(viewing)
            if browser and self.in_gap and not viewing.over:
                self.awaited += 1
            if not self._viewings and self._task is not None:
                self._lingering = asyncio.get_running_loop().call_later(self._linger, self._stop)

    def dismiss(self, *, browsers_only: bool = False) -> None:
        """End the responses of those who watch now; dashboards are awaited back."""
        for viewing in self._viewings:
            if (viewing.browser or not browsers_only) and not viewing.over:
                viewing.over = True
                self.awaited += viewing.browser
        self._announce()

    def pause(self) -> None:
        """Close the upstream now, and let all viewers go; the next one opens it again."""
        self.dismiss()
        self.awaited = 0
        self._stop()

    async def newer_than(self, frame: Frame | None, within: float) -> Frame | None:
        """Return a frame other than `frame` as soon as there is one; after `within` seconds, the latest.

        That is None when there was no frame yet. Returns at once when the hub is closed.
        """
        if self._latest is frame and not self.closed:
            try:
                async with asyncio.timeout(within):
                    await self._newer.wait()
            except TimeoutError:
                pass
        return self._latest

    def retry_now(self) -> None:
        """End the wait before the next attempt: the server is known to be back."""
        self._wake.set()

    async def close(self) -> None:
        """Close the upstream for good and let all viewers go. No task is left when this returns."""
        self.closed = True
        tasks = [task for task in (self._task, self._drawing) if task is not None]
        self._stop()
        self.dismiss()
        if tasks:
            await asyncio.wait(tasks)

    def _stop(self) -> None:
        """Close the upstream. Its last frame goes with it: the next viewer must not see an old one first."""
        self._end_gap()
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if self._task is not None:
            self._task.cancel()
            self._task = None
        self._latest = None

    def _announce(self) -> None:
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    async def _run(self) -> None:
        """Keep the stream open until cancelled."""
        retry = self._retry_minimum
        self._expect_frame()
        while True:
            reason = "the server ended it"
            try:
                async with aclosing(self._stream()) as frames:
                    async for frame in frames:
                        # Only a frame proves that the stream works: a server that accepts the connection and then
                        # fails keeps its distance.
                        retry = self._retry_minimum
                        self._take(frame)
            except PiMjpegError as error:
                reason = str(error)
            LOGGER.debug("The stream of %s ended, next attempt in %.0f s: %s", self.name, retry, reason)
            await self._pause(retry)
            retry = min(retry * 2, RETRY_MAXIMUM)

    def _take(self, frame: Frame) -> None:
        was_gap = self.in_gap
        if was_gap:
            self._end_gap()
        self._expect_frame()
        if not frame.repeats(self._latest):
            self._latest = frame
            self._announce()
        if was_gap:
            self._on_back()

    def _expect_frame(self) -> None:
        if self._silence is not None:
            self._silence.cancel()
        self._silence = asyncio.get_running_loop().call_later(self._gap, self._begin_gap)

    def _begin_gap(self) -> None:
        self.in_gap = True
        self._drawing = self._create_task(self._show_gap(), f"pi_mjpeg placard of {self.name}")

    def _end_gap(self) -> None:
        self.in_gap = False
        if self._silence is not None:
            self._silence.cancel()
        if self._drawing is not None:
            self._drawing.cancel()
            self._drawing = None

    async def _show_gap(self) -> None:
        jpeg = await self._draw(self._latest.jpeg if self._latest else None)
        self._latest = Frame(jpeg, received=time.monotonic(), drawn=True)
        self._announce()

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
