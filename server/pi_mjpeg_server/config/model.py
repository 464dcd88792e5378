"""The configuration as the rest of the server sees it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pi_mjpeg_server.camera import CameraSettings


def default_state_folder() -> Path:
    """Return where state is kept: systemd's StateDirectory, else the XDG state folder."""
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "pi-mjpeg"


def default_password_file() -> Path | None:
    """Return the file of systemd's credential `mqtt-password`, if the service was given one (systemd.exec(5))."""
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    file = Path(folder) / "mqtt-password" if folder else None
    return file if file is not None and file.is_file() else None


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Section [server]. `public_url` is how others reach this server, when its own address is not that."""

    name: str | None = None
    host: str = "0.0.0.0"  # noqa: S104  (Home Assistant is another machine)
    port: int = 8000
    public_url: str | None = None
    state_dir: Path = field(default_factory=default_state_folder)


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Section [mqtt]; without a host there is no MQTT. `discovery` is auto, core, integration or both.

    `ca_file` stands in for the system's certificate authorities; `client_key` may stand in `client_certificate` too.
    """

    host: str | None = None
    port: int = 1883
    username: str | None = None
    password_file: Path | None = None
    tls: bool = False
    ca_file: Path | None = None
    client_certificate: Path | None = None
    client_key: Path | None = None
    discovery: str = "auto"
    discovery_prefix: str = "homeassistant"


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of it."""

    server: ServerSettings
    mqtt: MqttSettings
    cameras: tuple[CameraSettings, ...]
