"""Throttles clients that guess tokens: after a few failures, each further one doubles the wait.

A wait holds for wrong tokens only: behind a router or in a container, whoever guesses has the address of others.
"""

from collections import OrderedDict
from dataclasses import dataclass

from pi_mjpeg_server.web.security.ip_addresses import client_network

FREE_ATTEMPTS = 5
"""Wrong tokens that cost nothing: people mistype."""
MAX_WAIT = 60.0
"""Seconds. Somebody who mistypes behind the same address must not wait for longer."""

_RESET_AFTER = 600.0
_MAX_CLIENTS = 1024


@dataclass(slots=True)
class _Failures:
    count: int = 0
    last: float = 0.0
    blocked_until: float = 0.0


class Throttle:
    """Counts wrong tokens per client, for the last 1024 clients. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        """Start without any failures."""
        self._clients: OrderedDict[str, _Failures] = OrderedDict()

    def wait(self, address: str, now: float) -> float:
        """Return the seconds for which a wrong token from this address is answered with 429, or 0."""
        failures = self._clients.get(client_network(address))
        return max(0.0, failures.blocked_until - now) if failures else 0.0

    def failed(self, address: str, now: float) -> None:
        """Count a wrong token."""
        client = client_network(address)
        failures = self._clients.setdefault(client, _Failures())
        self._clients.move_to_end(client)
        if now - failures.last > _RESET_AFTER:
            failures.count = 0
        failures.count += 1
        failures.last = now
        excess = failures.count - FREE_ATTEMPTS
        if excess >= 0:
            failures.blocked_until = now + min(MAX_WAIT, 2.0 ** min(excess, 10))
        while len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)

    def succeeded(self, address: str, now: float) -> None:
        """Forget the failures of this client, unless it has to wait: a few are typing errors, many are not."""
        if not self.wait(address, now):
            self._clients.pop(client_network(address), None)
