"""Who is inside: connections counted in all and by address, from the moment they come."""

from collections import Counter

from pi_mjpeg_server.web.security.client_ip import network
from pi_mjpeg_server.web.security.proxy_headers import TrustedHosts
from pi_mjpeg_server.web.security.viewer_limits import Limits


class ConnectionLimit:
    """Counts the connections of one server.

    A trusted proxy stands for many clients, so it is not held to the limit of one address.
    """

    def __init__(self, limits: Limits, trusted_hosts: TrustedHosts) -> None:
        """Begin with nobody inside."""
        self._limits = limits
        self._trusted_hosts = trusted_hosts
        self._inside: Counter[str] = Counter()

    def acquire(self, address: str) -> "ConnectionSlot | None":
        """Count somebody in; return its slot, or `None` when there is none left."""
        key = network(address)
        full = self._inside.total() >= self._limits.connections
        crowd = self._inside[key] >= self._limits.connections_per_address
        if full or (crowd and not self._trusted_hosts.trusts(address)):
            return None
        self._inside[key] += 1
        return ConnectionSlot(self._inside, key)


class ConnectionSlot:
    """One connection's slot."""

    def __init__(self, inside: Counter[str], key: str) -> None:
        """Be one of those inside under this key."""
        self._inside = inside
        self._key = key
        self._left = False

    def release(self) -> None:
        """Make room for another; once, however often it is said."""
        if self._left:
            return
        self._left = True
        self._inside[self._key] -= 1
        if not self._inside[self._key]:
            del self._inside[self._key]
