"""The identity of this server: an id that does not change with its name or address, and the machine it runs on."""

import hashlib
import hmac
import logging
import os
import platform
import re
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.config.settings import SERVICE_FOLDER, default_state_folder
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

_MACHINE_ID = Path("/etc/machine-id")
_MODEL = Path("/proc/device-tree/model")
_INTERFACES = Path("/sys/class/net")
_PURPOSE = b"pi_mjpeg node id"
_NODE = re.compile(r"[0-9a-f]{12}")
_MACHINE = re.compile(r"(?!0{32})[0-9a-f]{32}")
"""A machine id (machine-id(5)). During the first boot the file holds the word "uninitialized" instead."""

NODE_FILE = "node-id"
"""The name of the file in the state folder."""

_LOGGER = logging.getLogger(__name__)
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
    """Return the identity of this server; the default of `name` is the host name. Raises `OSError` like `node_id`."""
    # A PC has no device tree, but the MQTT contract requires a model.
    model = _read(_MODEL) or f"{platform.system()} {platform.machine()}"
    return Identity(node_id(state_folder), name or socket.gethostname(), model, _mac())


def node_id(state_folder: Path) -> str:
    """Return the node id that is kept in the state folder; at the first start, choose one and write it there.

    It is an HMAC of the machine id, because the machine id itself must not be exposed to a network (machine-id(5)); a
    state folder that is not the usual one has a part in it, so that two servers on a machine have different ids. A
    machine without a machine id, or with one that is made anew at each boot, keeps the first. Raises `OSError` when the
    folder cannot be written.
    """
    file = state_folder / NODE_FILE
    known = _stored(file)
    if known is not None and _NODE.fullmatch(known):
        return known
    if file.exists():
        _LOGGER.warning("%s holds no id of twelve digits and letters from a to f: it is chosen anew", file)
    node = _first_node_id(state_folder)
    write_atomically(file, f"{node}\n".encode())
    return node


def new_node_id(state_folder: Path) -> str:
    """Write a new random node id to the state folder and return it, for one of two servers with the same id."""
    node = secrets.token_hex(6)
    write_atomically(state_folder / NODE_FILE, f"{node}\n".encode())
    return node


def _first_node_id(state_folder: Path) -> str:
    machine = _read(_MACHINE_ID)
    secret = None
    if (state_folder / "token").exists():
        # From a version that did not write its id down: it was made of this.
        secret = machine or _stored(state_folder / "machine-id")
    elif machine is not None and _MACHINE.fullmatch(machine):
        secret = machine if _is_usual(state_folder) else f"{machine}\n{state_folder.resolve()}"
    return hmac.new((secret or secrets.token_hex(16)).encode(), _PURPOSE, hashlib.sha256).hexdigest()[:12]


def _is_usual(state_folder: Path) -> bool:
    """Return whether this is the service's state folder, or that of a person on a machine without the service."""
    if state_folder.resolve() in {SERVICE_FOLDER, SERVICE_FOLDER.parent / "private" / SERVICE_FOLDER.name}:
        return True
    is_personal = "STATE_DIRECTORY" not in os.environ and state_folder == default_state_folder()
    return is_personal and not os.path.lexists(SERVICE_FOLDER)


def _stored(path: Path) -> str | None:
    """Return the text in a file of the state folder, or None if there is none. Raises `OSError`."""
    try:
        return read_file(path, _MAX_BYTES).decode(errors="replace").strip("\0 \n") or None
    except (FileNotFoundError, ValueError):
        return None


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
