"""The addresses at which other machines reach this one, the best first.

The addresses come from the kernel by ifaddr, the routes from /proc/net (proc_net(5)), and what an interface is from
/sys/class/net. Where the last two cannot be read, the names of the interfaces decide.
"""

import ipaddress
import logging
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import ifaddr

_LOGGER = logging.getLogger(__name__)

CHECK_INTERVAL = 10.0
"""Seconds between two looks at the addresses: a Pi often boots before its network, and DHCP may assign another."""

HARDWARE, TUNNEL, VIRTUAL = "hardware", "tunnel", "virtual"
"""What an interface is: a network card or what is made of one, a VPN, or a network inside of this machine."""

_PROC = Path("/proc/net")
_SYS = Path("/sys/class/net")
_MAX_ADDRESSES = 16
_MAX_DEPTH = 4

# Flags of routes (route.h) and of IPv6 addresses (if_addr.h).
_RTF_REJECT = 0x200
_TEMPORARY, _DAD_FAILED, _DEPRECATED, _TENTATIVE = 0x01, 0x08, 0x20, 0x40
# Hardware types (if_arp.h): PPP, tunnels of IP in IP, and none, which WireGuard and tun have.
_TUNNEL_TYPES = frozenset({"512", "768", "769", "776", "778", "823", "65534"})
_TUNNEL_NAME = re.compile(r"(?:tun|tap|wg|tailscale|zt|ppp|utun|ipsec|vti|gre|sit|nordlynx|proton|warp|cloudflare)")
_VIRTUAL_NAME = re.compile(
    r"(?:docker|br-|veth|virbr|vnet|lxc|lxd|incus|cni|flannel|cali|podman|kube|hassio|vmnet|vboxnet|dummy|ifb)"
)


@dataclass(frozen=True, slots=True)
class Interface:
    """A network interface with its addresses. `metric` is that of its default route, or None if it has none."""

    name: str
    addresses: Sequence[str]
    kind: str = HARDWARE
    metric: int | None = None


def local_addresses(preferred: str | None = None) -> list[str]:
    """Return this machine's addresses that others can use, the best first. Reads files: call it in a thread."""
    return usable_addresses(_interfaces(), passing_addresses(_read(_PROC / "if_inet6")), preferred)


def lan_addresses() -> list[str]:
    """Return the same for others on the same network: the addresses of a VPN only if there is no other."""
    interfaces = _interfaces()
    passing = passing_addresses(_read(_PROC / "if_inet6"))
    return usable_addresses([each for each in interfaces if each.kind != TUNNEL], passing) or usable_addresses(
        interfaces, passing
    )


def _interfaces() -> list[Interface]:
    metrics = default_routes(_read(_PROC / "route"), _read(_PROC / "ipv6_route"))
    found: dict[str, list[str]] = {}
    for adapter in _adapters():
        # An alias such as eth0:1 has the routes of eth0.
        name = adapter.name.partition(":")[0]
        found.setdefault(name, []).extend(str(ip.ip if ip.is_IPv4 else ip.ip[0]) for ip in adapter.ips)
    return [Interface(name, ips, interface_kind(name), metrics.get(name)) for name, ips in found.items()]


def usable_addresses(
    interfaces: Iterable[Interface], passing: Collection[str] = (), preferred: str | None = None
) -> list[str]:
    """Return the addresses that others can use, the best first; `passing` are those that are soon gone.

    First those of the interface with the default route, then those of other network cards, then those of a VPN.
    Loopback and link-local addresses are left out, and networks inside of this machine, such as Docker's, unless they
    have the default route, as inside of a container.

    `preferred` is an address by which somebody is reached already; it comes first if it is not that of a VPN.
    """
    ranked = sorted((each for each in interfaces if _rank(each) is not None), key=lambda each: (_rank(each), each.name))
    addresses: list[str] = []
    for interface in ranked:
        usable = [each for each in interface.addresses if each not in passing and is_usable(each)]
        addresses += sorted(usable, key=lambda each: ":" in each)
        if preferred in usable and interface.kind != TUNNEL:
            addresses.insert(0, preferred)
    return list(dict.fromkeys(addresses))[:_MAX_ADDRESSES]


def _rank(interface: Interface) -> tuple[int, int] | None:
    """Return the interface's place in the order, or None for one that others never reach."""
    metric = interface.metric or 0
    if interface.kind == TUNNEL:
        return 2, metric
    if interface.metric is not None:
        return 0, metric
    return (1, 0) if interface.kind == HARDWARE else None


def is_usable(address: str) -> bool:
    """Return whether other machines can use the address: it is none of loopback, link-local and the like."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(ip, "ipv4_mapped", None)
    ip = ip if mapped is None else mapped
    return not (ip.is_loopback or ip.is_link_local or ip.is_unspecified or ip.is_multicast)


def is_unspecified(host: str) -> bool:
    """Return whether a server that listens on `host` listens on all addresses (of one version of IP)."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return False


def reachable_addresses(host: str | None, local: Sequence[str]) -> list[str]:
    """Return the addresses of a server that listens on `host`, where `local` are those of the machine.

    None is for all. For a host name there is none: the person who configured it gives it to others, too.
    """
    if host is None:
        return list(local)
    if is_unspecified(host):
        return [each for each in local if (":" in each) == (":" in host)]
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return []
    return [host.partition("%")[0]]


def default_routes(route: str, ipv6_route: str) -> Mapping[str, int]:
    """Return the metric of the default route of each interface, from /proc/net/route and /proc/net/ipv6_route."""
    metrics: dict[str, int] = {}
    for line in route.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 7 and fields[1] == fields[7] == "00000000" and not int(fields[3], 16) & _RTF_REJECT:  # noqa: PLR2004
            metrics[fields[0]] = min(int(fields[6]), metrics.get(fields[0], int(fields[6])))
    for line in ipv6_route.splitlines():
        fields = line.split()
        if len(fields) > 9 and int(fields[0], 16) == 0 and fields[1] == "00" and not int(fields[8], 16) & _RTF_REJECT:  # noqa: PLR2004
            # The two families count differently (IPv6 from 1024), and most machines at home use IPv4.
            metrics.setdefault(fields[9], int(fields[5], 16))
    return metrics


def passing_addresses(if_inet6: str) -> frozenset[str]:
    """Return the IPv6 addresses that are temporary (RFC 8981), deprecated or not usable, from /proc/net/if_inet6."""
    unusable = _TEMPORARY | _DAD_FAILED | _DEPRECATED | _TENTATIVE
    found = set()
    for line in if_inet6.splitlines():
        fields = line.split()
        if len(fields) > 5 and int(fields[4], 16) & unusable:  # noqa: PLR2004
            found.add(str(ipaddress.IPv6Address(int(fields[0], 16))))
    return frozenset(found)


def interface_kind(name: str, sys: Path = _SYS) -> str:
    """Return what an interface is, from the folder of the interfaces in sysfs."""
    if _is_hardware(sys / name, _MAX_DEPTH):
        return HARDWARE
    if _TUNNEL_NAME.match(name) or (sys / name / "tun_flags").exists() or _read(sys / name / "type") in _TUNNEL_TYPES:
        return TUNNEL
    return VIRTUAL if (sys / name).is_dir() or _VIRTUAL_NAME.match(name) else HARDWARE


def _is_hardware(folder: Path, depth: int) -> bool:
    """Return whether an interface is a network card, or a bridge, a bond or a VLAN with a network card in it."""
    if (folder / "device").exists():
        return True
    return depth > 0 and any(_is_hardware(lower, depth - 1) for lower in folder.glob("lower_*"))


def _adapters() -> Iterable[ifaddr.Adapter]:
    try:
        return ifaddr.get_adapters()
    except OSError as error:
        _LOGGER.warning("the addresses of this machine cannot be read: %s", error)
        return ()


def _read(path: Path) -> str:
    try:
        return path.read_text(errors="replace").strip()
    except OSError:
        return ""
