"""A constant frame rate, for sources without a sensor."""

import time
from collections.abc import Iterator

_MAX_SLEEP = 0.5


def ticks(fps: float) -> Iterator[bool]:
    """Yield True when the next picture is due, and False twice a second until then.

    Ticks that a slow consumer misses are dropped.
    """
    interval = 1 / fps
    due = time.monotonic()
    while True:
        wait = due - time.monotonic()
        if wait > _MAX_SLEEP:
            time.sleep(_MAX_SLEEP)
            yield False
            continue
        if wait > 0:
            time.sleep(wait)
        due = max(due + interval, time.monotonic())
        yield True
