"""The IP address of a client, in one form however it was written."""

import ipaddress

from pi_mjpeg_server.web.security.own_networks import OwnNetworks

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_SUBSCRIBER_PREFIX = 64
_PRIVATE_NETWORKS = (ipaddress.IPv6Network("fe80::/10"), ipaddress.IPv6Network("fc00::/7"))
"""Link-local and unique local addresses (RFC 4291, 4193). One /64 of them holds all hosts of a network."""
_OWN_NETWORKS = OwnNetworks()


def parse_ip(text: str) -> IPAddress:
    """Return an IP address. Raises `ValueError` when `text` is not one.

    Dual-stack sockets, and proxies that listen on one, write an IPv4 address as ::ffff:192.0.2.1. That is returned
    as an IPv4 address. A zone (`%eth0`) is left out.
    """
    parsed = ipaddress.ip_address(text.strip().partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def normalize_ip(text: str) -> str:
    """Return an IP address in its shortest form, or `text` unchanged if it is not an IP address."""
    try:
        return str(parse_ip(text))
    except ValueError:
        return text


def client_network(text: str) -> str:
    """Return what limits count as one client: a single address, or the /64 that a distant IPv6 subscriber gets.

    On a link of this machine, a /64 holds all its hosts, and one of them must not use up what the others may.
    """
    try:
        parsed = parse_ip(text)
    except ValueError:
        return text
    if isinstance(parsed, ipaddress.IPv6Address) and not _is_local(parsed):
        return str(ipaddress.ip_network((parsed, _IPV6_SUBSCRIBER_PREFIX), strict=False))
    return str(parsed)


def _is_local(address: ipaddress.IPv6Address) -> bool:
    return any(address in network for network in _PRIVATE_NETWORKS) or _OWN_NETWORKS.contain(address)
