"""The configuration as the rest of the server sees it."""

import os
from dataclasses import dataclass, field
from pathlib import Path

from pi_mjpeg_server.camera.settings import CameraSettings


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
    """Section [server]. `public_url` is how others reach this server, when its own address is not that.

    Without a `host` it listens on all addresses of the machine. `hosts` are names it may be called by beside those
    it knows itself; `trusted_proxies` are networks; `cors_origins` are those of pages whose scripts may ask here.
    """

    name: str | None = None
    host: str | None = None
    port: int = 8000
    public_url: str | None = None
    state_dir: Path = field(default_factory=default_state_folder)
    zeroconf: bool = True
    tls_certificate: Path | None = None
    tls_key: Path | None = None
    hosts: tuple[str, ...] = ()
    trusted_proxies: tuple[str, ...] = ()
    cors_origins: tuple[str, ...] = ()
    max_viewers: int = 64
    max_viewers_per_camera: int = 32
    max_viewers_per_address: int = 24

    @property
    def scheme(self) -> str:
        """Return what its own URLs begin with."""
        return "http" if self.tls_certificate is None else "https"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Section [auth]. `mode` is `token`, or `none` for a server that everybody may watch and command."""

    mode: str = "token"


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
    auth: AuthSettings
    mqtt: MqttSettings
    cameras: tuple[CameraSettings, ...]
