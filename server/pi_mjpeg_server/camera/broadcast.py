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
        self._newer = asyncio.Event()

    def publish(self, frame: Frame) -> None:
        """Make `frame` the latest and wake all who wait."""
        self.latest = frame
        newer, self._newer = self._newer, asyncio.Event()
        newer.set()

    async def newer_than(self, sequence: int) -> Frame:
        """Return the latest frame as soon as its sequence number is above `sequence`."""
        while self.latest is None or self.latest.sequence <= sequence:
            await self._newer.wait()
        return self.latest
