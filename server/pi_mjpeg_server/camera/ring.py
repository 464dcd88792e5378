"""The last seconds of a camera in memory, for clips that begin before they were asked for."""

from collections import deque
from typing import TYPE_CHECKING

from pi_mjpeg_server.concurrency.listeners import notify
from pi_mjpeg_server.media.frame import Frame

if TYPE_CHECKING:
    from collections.abc import Callable

MAX_BYTES = 64 * 1024 * 1024
"""Bytes of pictures that one ring holds, whatever its seconds: the smallest Pi has 512 MB for everything."""


class Ring:
    """Holds the frames of the last `seconds`, and at most `max_bytes` of pictures. 0 seconds are none.

    The pictures are the very `bytes` that viewers are sent, so a ring costs no copy. The frames around them are its
    own: a frame that viewers were sent holds its multipart parts too, two more copies of the picture.
    """

    def __init__(self, seconds: float, max_bytes: int = MAX_BYTES) -> None:
        """Start empty."""
        self.bytes = 0
        self.listeners: list[Callable[[Frame], None]] = []
        """Called with each frame, in the order in which they come, also while the ring holds none."""
        self._seconds = seconds
        self._max_bytes = max_bytes
        self._frames: deque[Frame] = deque()

    def add(self, frame: Frame) -> None:
        """Take a frame from the camera, and let those go that are too old. A drawn frame is left out."""
        frame = Frame(frame.jpeg, frame.sequence, frame.taken, frame.timestamp, frame.drawn)
        if self._seconds:
            self._keep(frame)
        for listener in tuple(self.listeners):
            notify(listener, frame)

    def since(self, taken: float) -> list[Frame]:
        """Return the frames from the last one that was taken at `taken` or before, as that shows what was then.

        `taken` is on the monotonic clock. Without one that old, return all frames.
        """
        first = next((number for number, frame in enumerate(self._frames) if frame.taken > taken), len(self._frames))
        return list(self._frames)[max(0, first - 1) :]

    def clear(self) -> None:
        """Let all frames go."""
        self._frames.clear()
        self.bytes = 0

    def _keep(self, frame: Frame) -> None:
        if self._frames and frame.taken - self._frames[-1].taken > self._seconds:
            # After a gap this long, the frames before it are of another time.
            self.clear()
        self._frames.append(frame)
        self.bytes += len(frame.jpeg)
        # One older frame stays: without it, the ring would begin less than `seconds` ago.
        while len(self._frames) > 1 and self._frames[1].taken <= frame.taken - self._seconds:
            self._drop_oldest()
        while self.bytes > self._max_bytes:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        self.bytes -= len(self._frames.popleft().jpeg)
