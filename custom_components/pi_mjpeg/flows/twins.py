"""Notices that two machines answer under one id, as copies of one SD card do."""

from collections import deque
from datetime import datetime
from typing import Final

_RETURNS: Final = 3
"""How often a former start time has to come back. Once, it can be a late message of a server that was restarted."""

_MAX_START_TIMES: Final = 8


class Twins:
    """Compares the start times that one server says. One that restarts has a new one, and never the former again."""

    def __init__(self) -> None:
        self._former: deque[datetime] = deque(maxlen=_MAX_START_TIMES)
        self._present: datetime | None = None
        self._returns = 0

    def seen(self, started_at: datetime | None) -> bool:
        """Return whether two machines are known to answer, after one of them said its start time, if it knows it."""
        if started_at is not None and started_at != self._present:
            if started_at in self._former:
                self._returns += 1
            if self._present is not None and self._present not in self._former:
                self._former.append(self._present)
            self._present = started_at
        return self._returns >= _RETURNS
