"""The IP address of a client, in one form however it was written."""

import ipaddress

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_IPV6_SUBSCRIBER_PREFIX = 64


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
    """Return what limits count as one client: an IPv4 address, or the /64 that one IPv6 subscriber gets."""
    try:
        parsed = parse_ip(text)
    except ValueError:
        return text
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, _IPV6_SUBSCRIBER_PREFIX), strict=False))
    return str(parsed)
