"""The IPv6 networks of this machine's own interfaces, in which each host has as many addresses as it likes."""

import contextlib
import ipaddress
import time
from collections.abc import Sequence
from pathlib import Path

_INTERFACE_ADDRESSES = Path("/proc/net/if_inet6")
"""One line per address: the address, interface number and prefix length in hexadecimal, and more (Linux only)."""
_REFRESH_INTERVAL = 10.0
"""Seconds. Providers change the prefix of a home, and interfaces come and go."""
_LINK_PREFIX = 64
"""An address by DHCPv6 has the length 128, although its link has a /64 (RFC 5942)."""


class OwnNetworks:
    """The networks in which this machine has IPv6 addresses."""

    def __init__(self) -> None:
        """Read them at the first use."""
        self._networks: Sequence[ipaddress.IPv6Network] = ()
        self._read_at = float("-inf")

    def contain(self, address: ipaddress.IPv6Address) -> bool:
        """Return whether the address belongs to one of these networks."""
        now = time.monotonic()
        if now - self._read_at >= _REFRESH_INTERVAL:
            self._networks, self._read_at = _read(), now
        return any(address in network for network in self._networks)


def _read() -> Sequence[ipaddress.IPv6Network]:
    networks = set()
    with contextlib.suppress(OSError, ValueError, IndexError):
        for line in _INTERFACE_ADDRESSES.read_text().splitlines():
            fields = line.split()
            address = ipaddress.IPv6Address(bytes.fromhex(fields[0]))
            length = min(int(fields[2], 16), _LINK_PREFIX)
            networks.add(ipaddress.IPv6Network((address, length), strict=False))
    return tuple(networks)
