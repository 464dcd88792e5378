"""Keeping a rate of pictures, for sources whose pictures come from no sensor."""

import time
from collections.abc import Iterator

_MAX_SLEEP = 0.5


def ticks(fps: float) -> Iterator[bool]:
    """Yield `True` when the next picture is due, `False` twice a second while it is not.

    A consumer that is late does not get the missed ticks afterwards.
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
