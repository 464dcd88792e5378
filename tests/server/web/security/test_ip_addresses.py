"""Which addresses count as one client."""

from pathlib import Path

import pytest
from pi_mjpeg_server.web.security import ip_addresses, own_networks
from pi_mjpeg_server.web.security.ip_addresses import client_network
from pi_mjpeg_server.web.security.own_networks import OwnNetworks


@pytest.fixture
def interfaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the file with the addresses of this machine, as Linux writes it, and let each use read it."""
    monkeypatch.setattr(own_networks, "_REFRESH_INTERVAL", 0.0)
    monkeypatch.setattr(own_networks, "_INTERFACE_ADDRESSES", tmp_path / "if_inet6")
    monkeypatch.setattr(ip_addresses, "_OWN_NETWORKS", OwnNetworks())
    return tmp_path / "if_inet6"


def are_one(first: str, second: str) -> bool:
    return client_network(first) == client_network(second)


def test_hosts_of_one_link_count_one_by_one_and_a_distant_subscriber_as_a_whole(interfaces: Path) -> None:
    interfaces.write_text(
        "fe80000000000000022719fffe110203 02 40 20 80    eth0\n"
        "20010db8000100020000000000000005 02 40 00 00    eth0\n"
        # By DHCPv6, without the length of the link's prefix.
        "20010db8000900010000000000000005 03 80 00 00   wlan0\n"
        "20010db8770000000000000000000005 04 38 00 00     br0\n"
    )
    for one, other in (
        ("fe80::5%eth0", "fe80::bad%eth0"),
        ("fd12:3456::5", "fd12:3456::bad"),
        ("2001:db8:1:2::9", "2001:db8:1:2::bad"),
        ("2001:db8:9:1::9", "2001:db8:9:1::bad"),
        ("2001:db8:7700:12::9", "2001:db8:7700:12::bad"),
        ("192.0.2.1", "192.0.2.2"),
        ("::ffff:192.0.2.1", "::ffff:192.0.2.2"),
    ):
        assert not are_one(one, other)
        assert are_one(one, one)
    assert are_one("2001:db8:1:3::9", "2001:db8:1:3::bad")
    assert not are_one("2001:db8:1:3::9", "2001:db8:1:4::9")
    assert are_one("192.0.2.1", "::ffff:192.0.2.1")
    assert are_one("fe80::5%eth0", "fe80:0::0005%wlan0")
    assert client_network("unknown") == "unknown"


def test_a_new_prefix_of_the_provider_counts_as_soon_as_an_interface_has_it(interfaces: Path) -> None:
    assert are_one("2001:db8:1:2::9", "2001:db8:1:2::bad")
    interfaces.write_text("20010db8000100020000000000000005 02 40 00 00    eth0\n")
    assert not are_one("2001:db8:1:2::9", "2001:db8:1:2::bad")
    interfaces.write_text("not the file that Linux writes\n\n")
    assert are_one("2001:db8:1:2::9", "2001:db8:1:2::bad")
