"""One camera's frames to any number of viewers: the latest frame wins, and nobody has a queue."""

import asyncio

from ..api.frame import Frame


class Broadcast:
    """Holds the latest frame and wakes whoever waits for another one.

    A viewer that is busy sending misses the frames in between by construction. Nothing is copied.
    """

    def __init__(self) -> None:
        self.latest: Frame | None = None
        self._newer = asyncio.Event()

    def publish(self, frame: Frame) -> None:
        """Make `frame` the latest and wake all who wait."""
        self.latest = frame
        self.wake()

    def wake(self) -> None:
        """Wake all who wait, although there may be no new frame: they look whether they are to stop."""
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    async def newer_than(self, frame: Frame | None) -> Frame | None:
        """Return the latest frame as soon as it is not `frame`, and after `wake` in any case."""
        if self.latest is frame:
            await self._newer.wait()
        return self.latest
