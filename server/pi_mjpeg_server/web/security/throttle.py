"""Slows down whoever guesses tokens: after a few wrong ones, each more costs its address twice the wait."""

from collections import OrderedDict
from dataclasses import dataclass

from pi_mjpeg_server.web.security.client_ip import network

FREE_TRIES = 5
"""Wrong tokens that cost nothing: people mistype."""
MAX_WAIT = 60.0
"""Seconds; somebody else behind the same address must not be locked out for longer."""

_FORGIVEN_AFTER = 600.0
_MAX_ADDRESSES = 1024


@dataclass(slots=True)
class _Record:
    wrong: int = 0
    last: float = 0.0
    until: float = 0.0


class Throttle:
    """Remembers the last 1024 addresses that gave wrong tokens. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        """Begin with none."""
        self._records: OrderedDict[str, _Record] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Return the seconds for which this address is not listened to."""
        record = self._records.get(network(address))
        return max(0.0, record.until - now) if record else 0.0

    def wrong(self, address: str, now: float) -> None:
        """Note a wrong token."""
        key = network(address)
        record = self._records.setdefault(key, _Record())
        self._records.move_to_end(key)
        if now - record.last > _FORGIVEN_AFTER:
            record.wrong = 0
        record.wrong += 1
        record.last = now
        beyond = record.wrong - FREE_TRIES
        if beyond >= 0:
            record.until = now + min(MAX_WAIT, 2.0 ** min(beyond, 10))
        while len(self._records) > _MAX_ADDRESSES:
            self._records.popitem(last=False)

    def right(self, address: str) -> None:
        """Note a right token: what was wrong before was a mistake."""
        self._records.pop(network(address), None)
