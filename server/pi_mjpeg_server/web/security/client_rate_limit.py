"""How often the clients of a public route may ask, each of them and all together."""

from collections import OrderedDict

from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.web.security.client_ip import client_network
from pi_mjpeg_server.web.security.proven_clients import ProvenClients

CLIENT_BURST = 10
CLIENT_PER_SECOND = 1.0
TOTAL_BURST = 100
TOTAL_PER_SECOND = 50.0
_MAX_CLIENTS = 1024


class ClientRateLimit:
    """Ten requests at once and one a second for each of the last 1024 clients; a hundred and fifty for all together.

    The limit of all together is not for clients that showed the access token lately: others cannot use up their share.
    """

    def __init__(self, proven_clients: ProvenClients) -> None:
        """Start with nothing counted."""
        self._proven_clients = proven_clients
        self._clients: OrderedDict[str, RateLimit] = OrderedDict()
        self._total = RateLimit(TOTAL_BURST, TOTAL_PER_SECOND)

    def take(self, address: str, now: float) -> float:
        """Return 0 and count a request, or return the seconds until the next one is allowed.

        `now` is in seconds on the monotonic clock.
        """
        client = client_network(address)
        limit = self._clients.setdefault(client, RateLimit(CLIENT_BURST, CLIENT_PER_SECOND))
        self._clients.move_to_end(client)
        while len(self._clients) > _MAX_CLIENTS:
            self._clients.popitem(last=False)
        wait = limit.take(client, now)
        if wait or self._proven_clients.includes(client, now):
            return wait
        return self._total.take(None, now)
