"""The identity of this server: an id that does not change with its name or address, and the machine it runs on."""

import hashlib
import hmac
import platform
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

_MACHINE_ID = Path("/etc/machine-id")
_MODEL = Path("/proc/device-tree/model")
_INTERFACES = Path("/sys/class/net")
_PURPOSE = b"pi_mjpeg node id"
_MAX_BYTES = 4096


@dataclass(frozen=True, slots=True)
class Identity:
    """`node` is the id in MQTT topics and in Home Assistant. `mac` is that of the first hardware network interface."""

    node: str
    name: str
    model: str | None = None
    mac: str | None = None
    version: str = VERSION


def identify(name: str | None, state_folder: Path) -> Identity:
    """Return the identity of this server; the default of `name` is the host name.

    The node id is an HMAC of the machine id, because the machine id itself must not be exposed to a network
    (machine-id(5)). For a machine that has none, a random id is kept in the state folder. Raises `OSError` when that
    cannot be written.
    """
    secret = _read(_MACHINE_ID) or _stored_id(state_folder / "machine-id")
    node = hmac.new(secret.encode(), _PURPOSE, hashlib.sha256).hexdigest()[:12]
    # A PC has no device tree, but the MQTT contract requires a model.
    model = _read(_MODEL) or f"{platform.system()} {platform.machine()}"
    return Identity(node, name or socket.gethostname(), model, _mac())


def _stored_id(path: Path) -> str:
    try:
        known = read_file(path, _MAX_BYTES).decode().strip("\0 \n")
    except (FileNotFoundError, ValueError):
        known = ""
    if not known:
        known = secrets.token_hex(16)
        write_atomically(path, known.encode())
    return known


def _mac() -> str | None:
    """Return the MAC address of the first hardware interface, Ethernet before Wi-Fi (names that begin with w)."""
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
