"""How many connections may be open at the same time, in all and per client."""

import logging
import resource
from collections import Counter

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.security.client_ip import client_network
from pi_mjpeg_server.web.security.proxy_headers import TrustedProxies

_LOGGER = logging.getLogger(__name__)

_SHORT_REQUESTS = 128
"""Connections, beside those of viewers, for requests that are answered at once."""
_SHORT_REQUESTS_PER_CLIENT = 32
_OTHER_FILES = 256
"""Open files beside connections: cameras, MQTT, snapshots, libraries."""


class ConnectionLimit:
    """Counts the connections of one server. A client is one IPv4 address or one IPv6 /64.

    A trusted proxy stands for many clients, so only the limit of all connections applies to it.
    """

    def __init__(self, settings: ServerSettings) -> None:
        """Allow the connections of all the viewers that the settings allow, and some for short requests."""
        self.max_connections = settings.max_viewers + _SHORT_REQUESTS
        self.max_per_client = settings.max_viewers_per_address + _SHORT_REQUESTS_PER_CLIENT
        self._trusted_proxies = TrustedProxies(settings.trusted_proxies)
        self._open: Counter[str] = Counter()

    def acquire(self, address: str) -> bool:
        """Count a connection from this address and return True, or return False if a limit is reached."""
        client = client_network(address)
        if self._open.total() >= self.max_connections:
            return False
        if self._open[client] >= self.max_per_client and not self._trusted_proxies.trusts(address):
            return False
        self._open[client] += 1
        return True

    def release(self, address: str) -> None:
        """Take back one successful `acquire` of the same address."""
        client = client_network(address)
        self._open[client] -= 1
        if not self._open[client]:
            del self._open[client]


def raise_open_files_limit(connections: int) -> None:
    """Let this process open enough files for so many connections: most systems start at 1024 and allow more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = connections + _OTHER_FILES
    if soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _LOGGER.warning("this system allows %d open files; max_viewers in [server] asks for %d", allowed, needed)
