"""The clients that showed the access token lately."""

from collections import OrderedDict

from pi_mjpeg_server.web.security.ip_addresses import client_network

REMEMBERED_FOR = 3600.0
"""Seconds."""
_MAX_CLIENTS = 256


class ProvenClients:
    """The last 256 clients that showed the access token within the hour. Times are seconds of a monotonic clock."""

    def __init__(self) -> None:
        """Start without any."""
        self._seen: OrderedDict[str, float] = OrderedDict()

    def add(self, address: str, now: float) -> None:
        """Remember that the client with this address showed the token."""
        client = client_network(address)
        self._seen[client] = now
        self._seen.move_to_end(client)
        while len(self._seen) > _MAX_CLIENTS:
            self._seen.popitem(last=False)

    def includes(self, client: str, now: float) -> bool:
        """Return whether this client, as `client_network` returns it, showed the token within the hour."""
        seen = self._seen.get(client)
        return seen is not None and now - seen < REMEMBERED_FOR
