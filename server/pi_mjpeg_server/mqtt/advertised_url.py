"""The base URLs that other machines are given for this server."""

import socket
from collections.abc import Sequence

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.system.addresses import is_unspecified, reachable_addresses


def advertised_urls(settings: ServerSettings, addresses: Sequence[str]) -> list[str]:
    """Return the server's base URLs without a slash at the end, the best first; `public_url` alone if it is configured.

    `addresses` are those of this machine that others can use, the best first. A server that listens at one address only
    has that one, loopback included. Without any address, as before the network is up, there is the host name for
    multicast DNS.
    """
    if settings.public_url is not None:
        return [settings.public_url]
    hosts = reachable_addresses(settings.host, addresses) or [_name(settings.host)]
    return [_url(settings, host) for host in hosts]


def _name(host: str | None) -> str:
    """Return the name that the server was told to listen at, or that of this machine."""
    if host is not None and not is_unspecified(host):
        return host
    return f"{socket.gethostname().partition('.')[0]}.local"


def _url(settings: ServerSettings, host: str) -> str:
    # An IPv6 address stands in brackets (RFC 3986, section 3.2.2).
    return f"{settings.scheme}://{f'[{host}]' if ':' in host else host}:{settings.port}"
