"""Which TCP port is free, who listens, and which address this machine has in the house."""

import socket

LOOPBACK = "127.0.0.1"


def free_port(wanted: int) -> int:
    """Return WANTED when nothing listens there, else a port the kernel picks (also for 0)."""
    return wanted if wanted and is_free(wanted) else _any_port()


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine."""
    with socket.socket() as probe:
        # As servers do: a port whose last connections are still closing is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def answers(host: str, port: int) -> bool:
    """Whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def own_address() -> str:
    """Return the address others in the house reach this machine by; loopback when it is in no network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # A datagram socket sends nothing when it connects; the address is one of RFC 5737's, for examples.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        return int(probe.getsockname()[1])
