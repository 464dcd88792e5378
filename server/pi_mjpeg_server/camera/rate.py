"""Events per second, measured over the last few, so that the rate is the present one."""

from collections import deque

_WINDOW = 32
_STALE_AFTER = 2.0


class Rate:
    """Counts events and measures their rate over the last 32.

    The rate is 0 once the last event is older than two seconds and older than two intervals.
    """

    def __init__(self) -> None:
        """Start at zero events."""
        self.count = 0
        self._times: deque[float] = deque(maxlen=_WINDOW)

    def tick(self, now: float) -> None:
        """Count one event at `now`, in seconds of a monotonic clock."""
        self.count += 1
        self._times.append(now)

    def per_second(self, now: float) -> float:
        """Return the rate at `now`, in events per second."""
        times = self._times
        if len(times) < 2 or now - times[-1] > max(_STALE_AFTER, 2 * (times[-1] - times[-2])):  # noqa: PLR2004  (an interval has two ends)
            return 0.0
        return (len(times) - 1) / (times[-1] - times[0]) if times[-1] > times[0] else 0.0
