"""Who this server is: an id that outlives names and addresses, and what machine it runs on."""

import hashlib
import hmac
import platform
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from pi_mjpeg_server import VERSION

_MACHINE_ID = Path("/etc/machine-id")
_MODEL = Path("/proc/device-tree/model")
_INTERFACES = Path("/sys/class/net")
_PURPOSE = b"pi_mjpeg node id"


@dataclass(frozen=True, slots=True)
class Identity:
    """`node` is the id in topics and in Home Assistant, `mac` that of the first real network interface."""

    node: str
    name: str
    model: str | None = None
    mac: str | None = None
    version: str = VERSION


def identify(name: str | None, state_folder: Path) -> Identity:
    """Find out who this machine is; `name` stands in for its host name.

    The node id is derived from the machine id by HMAC, because the machine id itself is not to be shown to a network
    (machine-id(5)). A machine without one gets an id of its own in the state folder.
    """
    secret = _read(_MACHINE_ID) or _own_id(state_folder / "machine-id")
    node = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).hexdigest()[:12]
    # Only a board has a device tree; the contract wants some text of every machine.
    model = _read(_MODEL) or f"{platform.system()} {platform.machine()}"
    return Identity(node, name or socket.gethostname(), model, _mac())


def _own_id(path: Path) -> str:
    known = _read(path)
    if known is None:
        known = secrets.token_hex(16)
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.write_text(known)
    return known


def _mac() -> str | None:
    """Return the address of the first interface that is a piece of hardware, cable before radio."""
    if not _INTERFACES.is_dir():
        return None
    for interface in sorted(_INTERFACES.iterdir(), key=lambda path: (path.name.startswith("w"), path.name)):
        address = _read(interface / "address")
        if (interface / "device").exists() and address and address != "00:00:00:00:00:00":
            return address
    return None


def _read(path: Path) -> str | None:
    try:
        return path.read_text().strip("\0 \n") or None
    except (OSError, UnicodeDecodeError):
        return None
