"""Free TCP ports, and this machine's address in the local network."""

import random
import socket

LOOPBACK = "127.0.0.1"

# Below the kernel's range for outgoing connections (ip(7)), which could take a port between the check and the bind.
_PORTS = range(20000, 32000)
_RANDOM = random.SystemRandom()


def free_ports(*wanted: int) -> list[int]:
    """Return one free port for each wanted one, all different: the wanted port if it is free, else any."""
    ports: list[int] = []
    for port in wanted:
        picked = port
        while picked in ports or not is_free(picked):
            picked = _RANDOM.choice(_PORTS)
        ports.append(picked)
    return ports


def is_free(port: int) -> bool:
    """Return whether nothing listens on a port of this machine. Port 0 is not a port."""
    if port == 0:
        return False
    with socket.socket() as probe:
        # As servers do: a port with connections in TIME_WAIT is free.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("", port))
        except OSError:
            return False
        return True


def answers(host: str, port: int) -> bool:
    """Return whether something listens there."""
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


def own_address() -> str:
    """Return this machine's address in the local network, or the loopback address if it has none."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Connecting a datagram socket sends nothing. The address is one of RFC 5737, for documentation.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return LOOPBACK
        return str(probe.getsockname()[0])
