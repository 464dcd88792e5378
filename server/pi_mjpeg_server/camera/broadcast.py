"""The fan-out of one camera's frames to any number of viewers: the latest frame wins, and no viewer has a queue."""

import asyncio

from pi_mjpeg_server.media.frame import Frame


class Broadcast:
    """Holds the latest frame and wakes everyone who waits for a newer one.

    A viewer that is busy sending misses the frames in between by construction: it asks for a frame newer than the one
    it has, and gets the latest. Everything runs on the event loop; nothing is copied.
    """

    def __init__(self) -> None:
        """Start without a frame."""
        self.latest: Frame | None = None
        self._withdrawn = -1
        self._changed = asyncio.Event()

    def publish(self, frame: Frame) -> None:
        """Make `frame` the latest and wake all who wait."""
        self.latest = frame
        self._wake()

    def withdraw(self) -> None:
        """Make the frames up to now unusable, because the camera is switched off, and wake all who wait."""
        if self.latest is not None:
            self._withdrawn = self.latest.sequence
        self.latest = None
        self._wake()

    def is_withdrawn(self, frame: Frame) -> bool:
        """Return whether `frame` must not be sent any more, neither as it is nor scaled."""
        return frame.sequence <= self._withdrawn

    async def change(self) -> None:
        """Return as soon as a frame is published or the frames are withdrawn."""
        await self._changed.wait()

    async def newer_than(self, sequence: int) -> Frame:
        """Return the latest frame as soon as its sequence number is above `sequence`."""
        while self.latest is None or self.latest.sequence <= sequence:
            await self.change()
        return self.latest

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
