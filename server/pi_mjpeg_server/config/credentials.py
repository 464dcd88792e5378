"""Files that systemd hands to the service as credentials: copies that the service's own user may read.

The Debian package's unit has every file of /etc/pi-mjpeg handed over, subfolders included, under a name that begins
with `etc_` (systemd.exec(5), LoadCredential with a folder). So they can belong to root and be unreadable for others.
"""

import os
from pathlib import Path

FOLDER = Path("/etc/pi-mjpeg")
PREFIX = "etc"
_CONFIGURATION = FOLDER / "config.toml"


def default_configuration_file() -> Path | None:
    """Return the copy of /etc/pi-mjpeg/config.toml, or None if there is none."""
    return _credential(_name(_CONFIGURATION))


def original(file: Path) -> Path:
    """Return the file that a person edits: /etc/pi-mjpeg/config.toml for the copy of it."""
    return _CONFIGURATION if file == default_configuration_file() else file


def default_password_file() -> Path | None:
    """Return the file of the credential `mqtt-password`, or None if there is none."""
    return _credential("mqtt-password")


def readable_copy(path: Path) -> Path:
    """Return the copy of a file below /etc/pi-mjpeg, or the path itself if there is none."""
    if not path.is_relative_to(FOLDER):
        return path
    return _credential(_name(path)) or path


def _name(path: Path) -> str:
    return "_".join((PREFIX, *path.relative_to(FOLDER).parts))


def _credential(name: str) -> Path | None:
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / name if folder else None
    return file if file is not None and file.is_file() else None
