"""The settings that a configuration holds, with their defaults."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.motion.settings import MotionSettings

SERVICE_FOLDER = Path("/var/lib/pi-mjpeg")
"""The state folder of the service."""


def default_state_folder() -> Path:
    """Return systemd's StateDirectory of this service (systemd.exec(5)), or else the XDG state folder."""
    given = os.environ.get("STATE_DIRECTORY", "").split(":")[0]
    if given:
        return Path(given)
    home = os.environ.get("XDG_STATE_HOME")
    return (Path(home) if home else Path.home() / ".local" / "state") / "pi-mjpeg"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Section [server]. `public_url` is the server's address for others, where that is not its own address.

    Without a `host`, it listens on all addresses of the machine. `hosts` are further host names that requests may be
    for, `trusted_proxies` are IP networks, and `cors_origins` are the origins whose scripts may send requests.
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
        """Return the scheme of the server's own URLs: `http` or `https`."""
        return "http" if self.tls_certificate is None else "https"


@dataclass(frozen=True, slots=True)
class AuthSettings:
    """Section [auth]. `mode` is `token`, or `none` for a server that everybody may watch and command."""

    mode: str = "token"


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """Section [mqtt]. Without a `host`, MQTT is off. `discovery` is auto, core, integration or both.

    `ca_file` replaces the system's certificate authorities. `client_certificate` may hold the key too; then there is
    no `client_key`.
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
class ClipSettings:
    """Section [clips]. Without a `folder`, clips are kept in memory. `max_age` is in seconds.

    Without `max_bytes` it depends on where the folder is.
    """

    folder: Path | None = None
    max_bytes: int | None = None
    max_age: float = 7 * 24 * 3600
    max_count: int = 100


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole configuration.

    `default_ids` and `default_names` are the places (from 0) of the cameras whose id or name nobody has given. `motion`
    has the motion settings by the places of the cameras.
    """

    server: ServerSettings
    auth: AuthSettings
    mqtt: MqttSettings
    cameras: tuple[CameraSettings, ...]
    default_ids: frozenset[int] = frozenset()
    default_names: frozenset[int] = frozenset()
    clips: ClipSettings = field(default_factory=ClipSettings)
    motion: Mapping[int, MotionSettings] = field(default_factory=dict)
