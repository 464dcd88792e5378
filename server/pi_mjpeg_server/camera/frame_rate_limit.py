"""Which of a camera's frames are for a reader that asked for fewer."""


class FrameRateLimiter:
    """Chooses the frames nearest to an even grid of moments. Times are seconds of a monotonic clock."""

    def __init__(self, fps: float, now: float) -> None:
        """Choose `fps` frames a second from now on."""
        self.fps = fps
        self._interval = 1 / fps
        self._next = now

    def is_due(self, now: float, rate: float) -> bool:
        """Return whether a frame that arrives now is to be sent on. `rate` is the camera's frames a second.

        It is if no other frame will be nearer to the next moment of the grid. With the rule "the first frame after
        it", a camera of exactly three times the rate would depend on its jitter: once the third frame, once the fourth.
        """
        half_a_frame = 0.5 / rate if rate else 0.0
        return now >= self._next - half_a_frame

    def sent(self, now: float, missed: int) -> int:
        """Record that a frame is sent now, and return how many frames were due before it and were not sent.

        `missed` is how many frames arrived while the viewer was busy with the previous one. Frames between two moments
        of the grid were not asked for, and do not count.
        """
        late = now - self._next
        # A frame that is late by less than an interval brings the next one forward, so that 25 of 30 frames a second
        # are 25. Longer delays are not made up for.
        self._next = self._next + self._interval if late < self._interval else now + self._interval
        return min(missed, max(0, int(late / self._interval)))
