"""When a camera has to have done what was asked of it."""

import math

MAX_DELAY = 0.25
"""Seconds that the event loop may be late before a camera gets the time back that the whole process lost."""


class Deadlines:
    """Times on the monotonic clock, infinity for none.

    `capture` is for what was asked of the capture last. `first_picture` is for the first picture since pictures are
    demanded, whatever is restarted in between.
    """

    def __init__(self) -> None:
        """Start without deadlines."""
        self.capture = math.inf
        self.first_picture = math.inf
        self._is_extended = False

    def clear(self) -> None:
        """Wait for nothing."""
        self.capture = self.first_picture = math.inf

    def started(self, until: float) -> None:
        """Note that pictures are demanded: the first one has to come by then, or by an earlier deadline that is set."""
        self.capture = until
        self.first_picture = min(self.first_picture, until)

    def picture_received(self, until: float) -> None:
        """A picture came, and the next one has to come until then."""
        self.capture = until
        self.first_picture = math.inf
        self._is_extended = False

    def extend(self, delay: float, spare: float) -> None:
        """Give the camera the `delay` back, in seconds, for which the whole process stood still, and some to spare.

        A machine that swaps, a virtual one that is paused and a SIGSTOP stop the driver as well, and the pictures that
        came meanwhile are not handled yet. It happens once until the next picture: a machine that is always late must
        not keep a camera that is dead.
        """
        if delay >= MAX_DELAY and not self._is_extended:
            self._is_extended = True
            self.capture += delay + spare
            self.first_picture += delay + spare
