"""A log that repeats itself at most once an hour: whatever a client can cause must not fill the disk."""

import logging
import time

_LOGGER = logging.getLogger(__name__)
_REPEAT_INTERVAL = 3600.0
_MAX_SUBJECTS = 64


class RateLimitedLog:
    """Logs a warning the first time that something is wrong, and after that at most once an hour."""

    def __init__(self) -> None:
        """Start with nothing logged."""
        self._logged: dict[str, float] = {}

    def warn(self, subject: str, message: str) -> bool:
        """Log `message`, unless a warning about `subject` was logged within the hour. Return whether it was logged.

        After 64 different subjects, no warning about another one is logged.
        """
        now = time.monotonic()
        last = self._logged.get(subject)
        if last is None and len(self._logged) >= _MAX_SUBJECTS:
            return False
        if last is not None and now - last < _REPEAT_INTERVAL:
            return False
        self._logged[subject] = now
        _LOGGER.warning("%s", message)
        return True

    def reset(self) -> None:
        """Log the next warning about each subject at once."""
        self._logged.clear()
