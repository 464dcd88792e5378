"""One upstream for all viewers of a camera: the latest frame wins, and nobody has a queue."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterator
from contextlib import aclosing, contextmanager
from typing import Any, Final

from .client import PiMjpegError
from .const import LOGGER
from .frame import Frame

LINGER: Final = 5.0
"""Seconds for which the upstream stays open without viewers: a reloaded page finds it running."""

RETRY_MINIMUM: Final = 1.0
RETRY_MAXIMUM: Final = 15.0
"""Seconds between two attempts. A Pi takes about 30 s to boot."""


class Hub:
    """Keeps one stream open for as long as somebody watches, and the frame that came last.

    Viewers are not told of gaps: while the upstream is away there is just no newer frame, and they stay.
    """

    def __init__(
        self,
        name: str,
        stream: Callable[[], AsyncGenerator[Frame]],
        create_task: Callable[[Coroutine[Any, Any, None], str], asyncio.Task[None]],
        *,
        linger: float = LINGER,
        retry: float = RETRY_MINIMUM,
    ) -> None:
        """Remember how to open a stream and how to start a task; both are used from the first viewer on."""
        self.name = name
        self.viewers = 0
        self.closed = False
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

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Count as a viewer, which keeps the upstream open, until the block ends."""
        self.viewers += 1
        if self._lingering is not None:
            self._lingering.cancel()
            self._lingering = None
        if (self._task is None or self._task.done()) and not self.closed:
            self._task = self._create_task(self._run(), f"pi_mjpeg stream of {self.name}")
        try:
            yield
        finally:
            self.viewers -= 1
            if self.viewers == 0 and self._task is not None:
                self._lingering = asyncio.get_running_loop().call_later(self._linger, self._stop)

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
        task = self._task
        self._stop()
        self._announce()
        if task is not None:
            await asyncio.wait([task])

    def _stop(self) -> None:
        """Close the upstream. Its last frame goes with it: the next viewer must not see an old one first."""
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
        while True:
            reason = "the server ended it"
            try:
                async with aclosing(self._stream()) as frames:
                    async for frame in frames:
                        # Only a frame proves that the stream works: a server that accepts the connection and then
                        # fails keeps its distance.
                        retry = self._retry_minimum
                        if not frame.repeats(self._latest):
                            self._latest = frame
                            self._announce()
            except PiMjpegError as error:
                reason = str(error)
            LOGGER.debug("The stream of %s ended, next attempt in %.0f s: %s", self.name, retry, reason)
            await self._pause(retry)
            retry = min(retry * 2, RETRY_MAXIMUM)

    async def _pause(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
