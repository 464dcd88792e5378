"""Which addresses others are given: from made-up machines, and from a real kernel with bridges and tunnels."""

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from pi_mjpeg_server.system.addresses import (
    HARDWARE,
    TUNNEL,
    VIRTUAL,
    Interface,
    default_routes,
    interface_kind,
    local_addresses,
    passing_addresses,
    reachable_addresses,
    usable_addresses,
)

LOOPBACK = Interface("lo", ["127.0.0.1", "::1"], VIRTUAL)
ETHERNET = Interface("eth0", ["fd00::20", "192.168.1.20", "fe80::1"], HARDWARE, 100)
WIFI = Interface("wlan0", ["192.168.1.21"], HARDWARE, 600)
CAMERAS = Interface("eth1", ["10.0.0.1"], HARDWARE)
DOCKER = Interface("docker0", ["172.17.0.1"], VIRTUAL)
COMPOSE = Interface("br-5d1e", ["172.18.0.1"], VIRTUAL)
WIREGUARD = Interface("wg0", ["10.8.0.2"], TUNNEL)
FULL_TUNNEL = Interface("tun0", ["10.9.0.2"], TUNNEL, 0)


@pytest.mark.parametrize(
    ("interfaces", "addresses"),
    [
        pytest.param([LOOPBACK, ETHERNET], ["192.168.1.20", "fd00::20"], id="IPv4 first"),
        pytest.param([DOCKER, COMPOSE, ETHERNET], ["192.168.1.20", "fd00::20"], id="Docker"),
        pytest.param([WIREGUARD, ETHERNET], ["192.168.1.20", "fd00::20", "10.8.0.2"], id="WireGuard"),
        pytest.param([FULL_TUNNEL, WIFI], ["192.168.1.21", "10.9.0.2"], id="a VPN with the default route"),
        pytest.param([WIFI, ETHERNET], ["192.168.1.20", "fd00::20", "192.168.1.21"], id="two default routes"),
        pytest.param([CAMERAS, WIFI], ["192.168.1.21", "10.0.0.1"], id="a second network"),
        pytest.param([CAMERAS, DOCKER], ["10.0.0.1"], id="no default route"),
        pytest.param([LOOPBACK, Interface("eth0", ["172.17.0.5"], VIRTUAL, 0)], ["172.17.0.5"], id="in a container"),
        pytest.param([Interface("eth0", ["169.254.7.7", "fe80::1"], HARDWARE, 0)], [], id="link-local"),
        pytest.param([LOOPBACK, DOCKER], [], id="no network"),
        pytest.param([Interface("eth0", ["2001:db8::7", "fe80::1"], HARDWARE, 0)], ["2001:db8::7"], id="IPv6 only"),
    ],
)
def test_the_address_of_the_default_route_comes_first(interfaces: list[Interface], addresses: list[str]) -> None:
    assert usable_addresses(interfaces) == addresses
    assert usable_addresses(reversed(interfaces)) == addresses


@pytest.mark.parametrize(
    ("preferred", "first"),
    [
        ("10.0.0.1", "10.0.0.1"),
        *(
            (other, "192.168.1.20")
            for other in ("127.0.0.1", "::1", "172.17.0.1", "10.8.0.2", "fe80::1", "2001:db8::9")
        ),
    ],
)
def test_of_two_networks_that_of_the_broker_comes_first_unless_it_is_a_vpn_or_this_machine(
    preferred: str, first: str
) -> None:
    interfaces = [LOOPBACK, ETHERNET, CAMERAS, DOCKER, WIREGUARD]
    found = usable_addresses(interfaces, preferred=preferred)
    assert found[0] == first
    assert sorted(found) == sorted(usable_addresses(interfaces))


def test_addresses_that_are_soon_gone_are_left_out() -> None:
    if_inet6 = (
        "fd000000000000000000000000000020 02 40 00 00     eth0\n"
        "20010db8000000000000000000000007 02 40 00 01     eth0\n"
        "20010db8000000000000000000000008 02 40 00 20     eth0\n"
        "20010db8000000000000000000000009 02 40 00 08     eth0\n"
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
    )
    passing = passing_addresses(if_inet6)
    assert passing == {"2001:db8::7", "2001:db8::8", "2001:db8::9"}
    interface = Interface("eth0", ["2001:db8::7", "fd00::20", "2001:db8::8"], HARDWARE, 0)
    assert usable_addresses([interface], passing, "2001:db8::7") == ["fd00::20"]


def test_the_default_routes_are_read_with_their_metrics() -> None:
    route = (
        "Iface\tDestination\tGateway\tFlags\tRefCnt\tUse\tMetric\tMask\tMTU\tWindow\tIRTT\n"
        "wlan0\t00000000\t0101A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
        "eth0\t00000000\t0101A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n"
        "eth0\t0001A8C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n"
        "tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n"
        "bad0\t00000000\t00000000\t0201\t0\t0\t0\t00000000\t0\t0\t0\n"
    )
    zeros = "0" * 32
    ipv6_route = (
        f"{zeros} 00 {zeros} 00 fe800000000000000000000000000001 00000400 00000003 00000000 00000003     eth1\n"
        f"{zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n"
    )
    assert default_routes(route, ipv6_route) == {"wlan0": 600, "eth0": 100, "eth1": 1024}
    assert default_routes("", "") == {}


def make(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_an_interface_is_told_by_what_it_is_made_of(tmp_path: Path) -> None:
    make(tmp_path, "eth0/device/x", "br0/lower_eth0/device/x", "br0.7/lower_br0/lower_eth0/device/x", "wwan0/device/x")
    make(tmp_path, "docker0/lower_veth1/x", "veth1/x", "tun7/tun_flags", "home/type")
    (tmp_path / "wwan0" / "type").write_text("65534\n")
    (tmp_path / "home" / "type").write_text("65534\n")
    kinds = {name: interface_kind(name, tmp_path) for name in sorted(path.name for path in tmp_path.iterdir())}
    hardware, tunnels = ["br0", "br0.7", "eth0", "wwan0"], ["home", "tun7"]
    assert [name for name, kind in kinds.items() if kind == HARDWARE] == hardware
    assert [name for name, kind in kinds.items() if kind == TUNNEL] == tunnels
    assert [name for name, kind in kinds.items() if kind == VIRTUAL] == ["docker0", "veth1"]


def test_without_sysfs_the_name_decides(tmp_path: Path) -> None:
    assert [interface_kind(name, tmp_path) for name in ("eth0", "end0", "wlan0")] == [HARDWARE] * 3
    assert [interface_kind(name, tmp_path) for name in ("docker0", "br-1a2b", "veth9", "virbr0")] == [VIRTUAL] * 4
    assert [interface_kind(name, tmp_path) for name in ("tun0", "wg0", "tailscale0", "ztabc", "ppp0")] == [TUNNEL] * 5


@pytest.mark.parametrize(
    ("host", "addresses"),
    [
        (None, ["192.168.1.20", "fd00::20"]),
        ("0.0.0.0", ["192.168.1.20"]),  # noqa: S104
        ("::", ["fd00::20"]),
        ("127.0.0.1", ["127.0.0.1"]),
        ("10.0.0.1", ["10.0.0.1"]),
        ("fe80::1%eth0", ["fe80::1"]),
        ("garden.local", []),
    ],
)
def test_a_server_that_listens_at_one_address_has_no_other(host: str | None, addresses: list[str]) -> None:
    assert reachable_addresses(host, ["192.168.1.20", "fd00::20"]) == addresses


def test_no_address_of_this_machine_is_one_that_only_it_can_use() -> None:
    assert not [each for each in local_addresses() if each.startswith(("127.", "169.254.", "fe80", "::1"))]


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace of its own needs root")
def test_a_real_kernel_with_bridges_a_tunnel_and_a_default_route() -> None:
    script = """
        mount -t sysfs none /sys
        ip link set lo up
        ip link add docker0 type bridge && ip addr add 10.1.0.1/16 dev docker0 && ip link set docker0 up
        ip link add house type bridge && ip addr add 10.2.0.1/24 dev house && ip link set house up
        ip link add wg0 type veth peer name peer0 && ip link set peer0 up
        ip addr add 10.3.0.2/24 dev wg0 && ip link set wg0 up
        ip link add lan type veth peer name other && ip link set other up && ip link set lan up
        ip addr add 192.168.7.20/24 dev lan && ip addr add fd07::20/64 dev lan nodad
        ip route add default via 192.168.7.1 dev lan metric 300
        exec "$0" -c 'import json; from pi_mjpeg_server.system.addresses import lan_addresses, local_addresses
        print(json.dumps([local_addresses(), lan_addresses()]))'
    """
    command = ["unshare", "--net", "--mount", "sh", "-e", "-c", textwrap.dedent(script), sys.executable]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    if done.returncode != 0 and ("unshare" in done.stderr or "not permitted" in done.stderr):
        pytest.skip(f"this machine allows no network namespace: {done.stderr}")
    lan = ["192.168.7.20", "fd07::20"]
    assert json.loads(done.stdout or "null") == [[*lan, "10.3.0.2"], lan], done.stderr
