"""The address of a client, in one form however it was written."""

import ipaddress

Address = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse(text: str) -> Address:
    """Return an address. Raises ValueError.

    Sockets for both versions of IP, and proxies that have one, write an IPv4 address as ::ffff:192.0.2.1.
    """
    parsed = ipaddress.ip_address(text.strip().partition("%")[0])
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def plain(text: str) -> str:
    """Return an address in its one form, and anything else as it is."""
    try:
        return str(parse(text))
    except ValueError:
        return text


def network(text: str) -> str:
    """Return what counts as one client: an IPv4 address, or the /64 that one IPv6 subscriber has for itself."""
    try:
        parsed = parse(text)
    except ValueError:
        return text
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((parsed, 64), strict=False))
    return str(parsed)
