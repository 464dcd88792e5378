"""Bounds of what strangers can make Home Assistant do or log."""

import time
from collections.abc import Callable, Hashable


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

    @property
    def is_full(self) -> bool:
        """Whether no other subject is allowed for now."""
        return len(self._allowed_at) >= self._maximum

    def allows(self, subject: Hashable) -> bool:
        """Return whether it is the subject's turn, and count it if so."""
        now = self._clock()
        self._allowed_at = {key: at for key, at in self._allowed_at.items() if now - at < self._seconds}
        if subject in self._allowed_at or self.is_full:
            return False
        self._allowed_at[subject] = now
        return True
