"""Which TCP port is free, who listens, and which address this machine has in the house."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the kernel's range for outgoing connections (ip(7)), which may take a port between the look and the listening.
_SPARE = range(20000, 32000)
_RANDOM = random.SystemRandom()


def free_ports(*wanted: int) -> list[int]:
    """Return a free port for each wanted one, all different: the wanted one when nothing listens there, else any."""
    ports: list[int] = []
    for port in wanted:
        picked = port
        while picked in ports or not is_free(picked):
            picked = _RANDOM.choice(_SPARE)
        ports.append(picked)
    return ports


def is_free(port: int) -> bool:
    """Whether nothing listens on a port of this machine. Port 0 is none."""
    if port == 0:
        return False
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
