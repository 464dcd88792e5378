"""A limit on how often something may happen."""

from collections.abc import Hashable


class RateLimit:
    """A token bucket for each key: `burst` events at once, and `per_second` events a second in the long run.

    It remembers every key, so their number has to be limited otherwise.
    """

    def __init__(self, burst: int, per_second: float) -> None:
        """Start with all buckets full."""
        self._burst = burst
        self._per_second = per_second
        self._buckets: dict[Hashable, tuple[float, float]] = {}

    def take(self, key: Hashable, now: float) -> float:
        """Return 0 and count an event, or return the seconds until the next one is allowed.

        `now` is in seconds on the monotonic clock.
        """
        tokens, last = self._buckets.get(key, (self._burst, now))
        tokens = min(self._burst, tokens + (now - last) * self._per_second)
        wait = max(0.0, (1 - tokens) / self._per_second)
        self._buckets[key] = (tokens if wait else tokens - 1), now
        return wait
