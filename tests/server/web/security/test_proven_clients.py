"""Which clients are remembered for having shown the token."""

from pi_mjpeg_server.web.security.proven_clients import ProvenClients


def test_clients_are_remembered_for_an_hour_and_the_last_256_of_them() -> None:
    clients = ProvenClients()
    clients.add("192.0.2.1", 0)
    clients.add("2001:db8::1", 0)
    assert clients.includes("192.0.2.1", 3599)
    assert clients.includes("2001:db8::/64", 3599)
    assert not clients.includes("192.0.2.2", 1)
    assert not clients.includes("192.0.2.1", 3601)
    clients.add("192.0.2.1", 3000)
    assert clients.includes("192.0.2.1", 3601)
    for number in range(300):
        clients.add(f"10.0.{number // 256}.{number % 256}", 3100)
        clients.add("192.0.2.9", 3100)
    assert clients.includes("192.0.2.9", 3100)
    assert not clients.includes("192.0.2.1", 3100)
    assert not clients.includes("10.0.0.0", 3100)
