"""Which of a camera's pictures a viewer asked for: all of them, or so many a second."""


class FrameRateLimiter:
    """The rate one viewer wants, as a grid of moments in seconds of a monotonic clock."""

    def __init__(self, fps: float | None, now: float) -> None:
        """Want so many pictures a second from now on, or all of them."""
        self._interval = 1 / fps if fps else 0.0
        self._due = now

    def wants(self, now: float, rate: float) -> bool:
        """Tell whether a picture that comes now, from a camera that gives `rate` a second, is to be sent.

        It is when no other comes nearer to the moment on the grid. With the first one behind it, a camera of exactly
        three times the rate would be at the mercy of its jitter: the third picture now, the fourth the next time.
        """
        nearest = 0.5 / rate if rate else 0.0
        return not self._interval or now >= self._due - nearest

    def take(self, now: float, missed: int) -> int:
        """Note that a picture goes out now, and return how many were due before it and did not.

        `missed` is how many came while the viewer was busy with the one before. Those between two moments of the
        grid were never asked for.
        """
        if not self._interval:
            return missed
        late = now - self._due
        # Who is late by less gets the next one so much sooner: 25 of 30 have to be 25. More is not made up for.
        self._due = self._due + self._interval if late < self._interval else now + self._interval
        return min(missed, max(0, int(late / self._interval)))
