"""How often the clients of a public route may ask, each of them and all together."""

from collections import OrderedDict

from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.web.security.ip_addresses import client_network
from pi_mjpeg_server.web.security.proven_clients import ProvenClients

CLIENT_BURST = 10
CLIENT_PER_SECOND = 1.0
TOTAL_BURST = 100
TOTAL_PER_SECOND = 50.0
_MAX_CLIENTS = 1024


class RateLimitPerClient:
    """A limit for each client, as `client_network` returns it, for the last 1024 of them."""

    def __init__(self, burst: int, per_second: float) -> None:
        """Allow each client `burst` events at once, and `per_second` a second in the long run."""
        self._burst = burst
        self._per_second = per_second
        self._limits: OrderedDict[str, RateLimit] = OrderedDict()

    def take(self, client: str, now: float) -> float:
        """Return 0 and count an event, or return the seconds until the next one is allowed.

        `now` is in seconds on the monotonic clock.
        """
        limit = self._limits.setdefault(client, RateLimit(self._burst, self._per_second))
        self._limits.move_to_end(client)
        while len(self._limits) > _MAX_CLIENTS:
            self._limits.popitem(last=False)
        return limit.take(client, now)


class ClientRateLimit:
    """Ten requests at once and one a second for each client; a hundred at once and fifty a second for all together.

    The limit of all together is not for clients that showed the access token lately: others cannot use up their share.
    """

    def __init__(self, proven_clients: ProvenClients) -> None:
        """Start with nothing counted."""
        self._proven_clients = proven_clients
        self._per_client = RateLimitPerClient(CLIENT_BURST, CLIENT_PER_SECOND)
        self._total = RateLimit(TOTAL_BURST, TOTAL_PER_SECOND)

    def take(self, address: str, now: float) -> float:
        """Return 0 and count a request from this address, or return the seconds until the next one is allowed.

        `now` is in seconds on the monotonic clock.
        """
        client = client_network(address)
        wait = self._per_client.take(client, now)
        if wait or self._proven_clients.includes(client, now):
            return wait
        return self._total.take(None, now)
