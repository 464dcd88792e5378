"""A log that repeats itself at most once an hour: whatever a client can cause must not fill the disk."""

import logging
import time
from dataclasses import dataclass

_LOGGER = logging.getLogger(__name__)
_REPEAT_INTERVAL = 3600.0
_MAX_SUBJECTS = 64


@dataclass(slots=True)
class _Subject:
    """`logged_at` is on the monotonic clock; `suppressed` are the messages since then that were not logged."""

    logged_at: float
    suppressed: int = 0

    def is_recent(self, now: float) -> bool:
        return now - self.logged_at < _REPEAT_INTERVAL


class RateLimitedLog:
    """Logs a message about a subject at once, and after that at most once an hour, with the number left out.

    It remembers the 64 subjects of the last hour. When there are more, one line an hour stands for all others.
    """

    def __init__(self) -> None:
        """Start with nothing logged."""
        self._subjects: dict[str, _Subject] = {}
        self._others: _Subject | None = None

    def warn(self, subject: str, message: str) -> bool:
        """Log a warning, unless a message about `subject` was logged within the hour. Return whether it was logged."""
        return self._log(logging.WARNING, subject, message)

    def info(self, subject: str, message: str) -> bool:
        """Do the same at the level INFO."""
        return self._log(logging.INFO, subject, message)

    def exception(self, subject: str, message: str, error: BaseException) -> bool:
        """Do the same at the level ERROR, with the traceback of `error`."""
        return self._log(logging.ERROR, subject, message, error)

    def reset(self) -> None:
        """Log the next message about each subject at once."""
        self._subjects.clear()
        self._others = None

    def _log(self, level: int, subject: str, message: str, error: BaseException | None = None) -> bool:
        now = time.monotonic()
        known = self._subjects.pop(subject, None)
        if known is not None and known.is_recent(now):
            known.suppressed += 1
            self._subjects[subject] = known
            return False
        self._forget(now)
        if len(self._subjects) >= _MAX_SUBJECTS:
            return self._log_others(level, message, now)
        self._subjects[subject] = _Subject(now)
        repeated = f" (and {known.suppressed} more times in the last hour)" if known and known.suppressed else ""
        _LOGGER.log(level, "%s%s", message, repeated, exc_info=error)
        return True

    def _forget(self, now: float) -> None:
        self._subjects = {key: subject for key, subject in self._subjects.items() if subject.is_recent(now)}

    def _log_others(self, level: int, message: str, now: float) -> bool:
        others = self._others
        if others is not None and others.is_recent(now):
            others.suppressed += 1
            return False
        self._others = _Subject(now)
        count = f": {others.suppressed} more in the last hour" if others and others.suppressed else ""
        _LOGGER.log(level, "%s (and others%s)", message, count)
        return True
