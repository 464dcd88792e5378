"""A constant frame rate, for sources without a sensor."""

import time
from collections.abc import Callable, Iterator

_MAX_SLEEP = 0.5


def ticks(rate: Callable[[], float]) -> Iterator[bool]:
    """Yield True when the next picture is due, and False twice a second until then.

    `rate` returns the pictures a second, and is called for each. Ticks that a slow consumer misses are dropped.
    """
    due = time.monotonic()
    while True:
        wait = due - time.monotonic()
        if wait > _MAX_SLEEP:
            time.sleep(_MAX_SLEEP)
            yield False
            continue
        if wait > 0:
            time.sleep(wait)
        due = max(due + 1 / rate(), time.monotonic())
        yield True
