"""Bounds of what strangers can make Home Assistant do or log."""

import logging
import time
from collections.abc import Callable, Hashable
from typing import Final

_HOUR: Final = 3600.0


class RateLimit:
    """Allows a number of events in each period of so many seconds."""

    def __init__(self, maximum: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._maximum = maximum
        self._seconds = seconds
        self._clock = clock
        self._began = clock()
        self._count = 0

    def allows(self, count: int = 1) -> bool:
        """Count so many events, and return whether they are within the limit."""
        if self._clock() - self._began >= self._seconds:
            self._began = self._clock()
            self._count = 0
        self._count += count
        return self._count <= self._maximum


class OncePer:
    """Allows each subject once in a period, and at most `maximum` different ones in it."""

    def __init__(self, maximum: int, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._maximum = maximum
        self._seconds = seconds
        self._clock = clock
        self._allowed_at: dict[Hashable, float] = {}

    def __contains__(self, subject: Hashable) -> bool:
        """Return whether the subject had its turn in this period."""
        return subject in self._allowed_at

    def allows(self, subject: Hashable) -> bool:
        """Return whether it is the subject's turn, and count it if so."""
        now = self._clock()
        self._allowed_at = {key: at for key, at in self._allowed_at.items() if now - at < self._seconds}
        if subject in self._allowed_at or len(self._allowed_at) >= self._maximum:
            return False
        self._allowed_at[subject] = now
        return True


class RateLimitedLog:
    """Warns once an hour of each subject, and once of all subjects beyond the first `maximum`."""

    def __init__(self, logger: logging.Logger, maximum: int = 32, clock: Callable[[], float] = time.monotonic) -> None:
        self._logger = logger
        self._subjects = OncePer(maximum, _HOUR, clock)
        self._others = OncePer(1, _HOUR, clock)

    def warn(self, subject: Hashable, message: str, *arguments: object) -> None:
        """Log a warning if it is the subject's turn."""
        if self._subjects.allows(subject):
            self._logger.warning(message, *arguments)
        elif subject not in self._subjects and self._others.allows(None):
            self._logger.warning("More warnings like the last ones are not logged for an hour")
