"""Counts the dashboards that lost the live picture, and says when to give them a new URL."""

from typing import Final

MAX_RECALLS: Final = 6
"""How often dashboards are given a new URL until they are taken for closed pages."""


class LostDashboards:
    """How many dashboards lost their stream and have not come back.

    A browser does not ask again for an image that broke off. It does when the URL of the image changes.
    """

    def __init__(self) -> None:
        self.count = 0
        self._recalls = 0

    def add(self) -> None:
        """Count a dashboard whose response ended."""
        self.count += 1

    def returned(self) -> None:
        """Count a dashboard that opened the stream. Whether it is one of those that lost it, nobody knows."""
        self.count = max(0, self.count - 1)
        if not self.count:
            self._recalls = 0

    def forget(self) -> None:
        """Expect nobody back."""
        self.count = self._recalls = 0

    def restart_recalls(self) -> None:
        """Allow `MAX_RECALLS` times again: frames stopped coming, so what was tried so far says nothing."""
        self._recalls = 0

    def recall(self) -> bool:
        """Return whether a new URL is needed now. After `MAX_RECALLS` times without success there is nobody left."""
        if self.count and self._recalls == MAX_RECALLS:
            self.forget()
        if not self.count:
            return False
        self._recalls += 1
        return True
