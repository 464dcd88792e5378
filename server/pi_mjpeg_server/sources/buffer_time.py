"""When a buffer's picture was taken, as far as its time stamp can be believed."""

MAX_AGE = 5.0
"""Seconds between exposure and delivery, above which a time stamp is of another clock or another time."""


class BufferTimes:
    """Turns the time stamps of one camera's buffers into times that never go back.

    The clocks of webcams drift, jump or stand still, and some drivers use another clock than they say.
    """

    def __init__(self) -> None:
        """Start without a picture."""
        self._last_stamp = 0.0
        self._last_taken = 0.0

    def taken(self, stamp: float, dequeued: float) -> float:
        """Return the time of exposure, in seconds of the monotonic clock.

        It is `stamp` if that is later than the last one and 0 to 5 seconds before `dequeued`, else `dequeued`.
        """
        is_believable = stamp > self._last_stamp and 0 <= dequeued - stamp <= MAX_AGE
        self._last_stamp = stamp
        self._last_taken = max(self._last_taken, stamp if is_believable else dequeued)
        return self._last_taken
