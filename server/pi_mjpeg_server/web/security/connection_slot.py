"""A connection's place among those that may be open, and what its client has shown on it."""

from dataclasses import dataclass

from aiohttp import web


@dataclass(slots=True, eq=False)
class ConnectionSlot:
    """One open connection. When all slots are taken, one that is not `is_protected` is closed for a new one.

    `client` is what limits count as one. `opened_at` is a time of the monotonic clock in seconds. `has_requested` says
    that a whole request head arrived, `is_answered` that it was its turn. `is_protected` is set while the last request
    was one that showed the access token; without a token, while one that would need it is being answered.
    """

    client: str
    opened_at: float
    has_requested: bool = False
    is_answered: bool = False
    is_protected: bool = False

    @property
    def is_waiting(self) -> bool:
        """Return whether a request waits until it is its turn."""
        return self.has_requested and not self.is_answered


CONNECTION_SLOT = web.RequestKey("connection_slot", ConnectionSlot)
"""Set on every request by its connection."""
