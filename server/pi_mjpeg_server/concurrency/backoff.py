"""How long to wait before the next attempt."""

import math
import random
from collections.abc import Sequence

_JITTER = 0.2
_MAX_DOUBLINGS = 32


def retry_delay(delays: Sequence[float], attempt: int) -> float:
    """Return the seconds to wait before retry number `attempt` (the first is 0).

    It is `delays[attempt]`, or the last delay for all later retries. The result varies by 20 %, so that devices
    that lost power together do not all reconnect at the same moment.
    """
    delay = delays[min(attempt, len(delays) - 1)]
    return delay * random.uniform(1 - _JITTER, 1 + _JITTER)  # noqa: S311  (jitter, not a secret)


class GrowingDelay:
    """The delay before an action that somebody else keeps provoking: doubled each time, short again after a while.

    All times are seconds. `shortest` is the first delay and `longest` the last one, and also how long nothing may
    happen until the next delay is `shortest` again.
    """

    def __init__(self, shortest: float, longest: float) -> None:
        """Start with the shortest delay."""
        self._shortest = shortest
        self._longest = longest
        self._count = 0
        self._last = -math.inf

    def count(self, now: float) -> int:
        """Return how often `acted` was called since the last quiet time; `now` is on the monotonic clock."""
        if now - self._last > self._seconds() + self._longest:
            self._count = 0
        return self._count

    def seconds(self, now: float) -> float:
        """Return the delay before the next action."""
        self.count(now)
        return self._seconds()

    def acted(self, now: float) -> None:
        """Note an action: the next delay is twice as long."""
        self._count = self.count(now) + 1
        self._last = now

    def _seconds(self) -> float:
        return min(self._shortest * 2.0 ** min(self._count, _MAX_DOUBLINGS), self._longest)
