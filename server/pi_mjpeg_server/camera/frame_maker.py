"""Makes the frames of one camera, numbered in the order in which they are published."""

import time
from collections.abc import Callable

from pi_mjpeg_server.media.frame import Frame, Picture


class FrameMaker:
    """Numbers frames. `sequence` is the number of the last one."""

    def __init__(self) -> None:
        self.sequence = 0

    def captured(self, picture: Picture, *, settled: bool = True) -> Frame:
        """Return the next frame, of a picture. It is not `settled` while the exposure changes."""
        self.sequence += 1
        return _frame(picture, self.sequence, settled=settled)

    def drawn(self, jpeg: bytes) -> Frame:
        """Return the next frame, of a picture that was drawn now."""
        self.sequence += 1
        now = time.monotonic()
        return Frame(jpeg, self.sequence, now, _timestamp(now), drawn=True)

    def reserve(self) -> Callable[[Picture], Frame]:
        """Return a function that makes a frame of a later picture, which is withdrawn with the frames until now."""
        self.sequence += 1
        sequence = self.sequence
        return lambda picture: _frame(picture, sequence, settled=True)


def _frame(picture: Picture, sequence: int, *, settled: bool) -> Frame:
    return Frame(
        picture.jpeg,
        sequence,
        picture.taken,
        _timestamp(picture.taken),
        settled=settled,
        exposure=picture.exposure,
    )


def _timestamp(taken: float) -> float:
    """Return a time on the monotonic clock in seconds since 1970."""
    return time.time() - (time.monotonic() - taken)
