"""Complains once an hour: what anybody on the network can repeat must not fill the log."""

import logging
import time

_LOGGER = logging.getLogger(__name__)
_AGAIN = 3600.0
_MOST = 64


class RateLimitedLog:
    """Logs a warning the first time that something is wrong, and then no more than once an hour."""

    def __init__(self) -> None:
        """Begin with nothing said."""
        self._said: dict[str, float] = {}

    def warn(self, about: str, message: str) -> bool:
        """Warn of something unless that was done within the hour, and tell whether it was said now.

        What it is about tells one thing from another; beyond 64 of them nothing more is said.
        """
        now = time.monotonic()
        if now - self._said.get(about, -_AGAIN) < _AGAIN or (about not in self._said and len(self._said) >= _MOST):
            return False
        self._said[about] = now
        _LOGGER.warning("%s", message)
        return True

    def forget(self) -> None:
        """Begin anew."""
        self._said.clear()
