"""The server: its identity, its cameras, and what it stores for them. The web and MQTT both serve this."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError
from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.config import Configuration, ConfigurationError
from pi_mjpeg_server.media.scaling import Scaler
from pi_mjpeg_server.sources.auto import CameraMemory, source_factory
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError
from pi_mjpeg_server.storage.atomic_file import remove_unfinished
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.identity_key import FILE_NAME as IDENTITY_KEY_FILE
from pi_mjpeg_server.storage.identity_key import IdentityKey
from pi_mjpeg_server.storage.signed_urls import KEY_PURPOSE, UrlSigner
from pi_mjpeg_server.storage.snapshots import Snapshot, SnapshotStore
from pi_mjpeg_server.system.identity import Identity, identify

SNAPSHOT_BURST = 32
"""Snapshots of one camera that may be kept at once, for each trigger."""
SNAPSHOTS_PER_SECOND = 2.0
"""The same in the long run: a server without a token takes requests from everybody."""

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class BrokerStatus:
    """The connection to the MQTT broker. `state` is `off` (none configured), `connecting` or `connected`."""

    state: str = "off"
    broker: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Server:
    """One server process. Without a `token`, everybody may watch and command.

    The functions in `on_snapshot` are called with each new snapshot and its trigger.
    """

    identity: Identity
    cameras: Sequence[Camera]
    snapshots: SnapshotStore
    control_store: ControlStore
    broker: BrokerStatus = field(default_factory=BrokerStatus)
    started_at: float = field(default_factory=time.time)
    token: AccessToken | None = None
    identity_key: IdentityKey = field(default_factory=IdentityKey)
    scaler: Scaler = field(default_factory=Scaler)
    on_snapshot: list[Callable[[Snapshot, str], None]] = field(default_factory=list)
    _snapshot_limit: RateLimit = field(default_factory=lambda: RateLimit(SNAPSHOT_BURST, SNAPSHOTS_PER_SECOND))

    def camera(self, camera_id: str) -> Camera | None:
        """Return the camera with this id, or None if there is none."""
        return next((camera for camera in self.cameras if camera.settings.id == camera_id), None)

    @property
    def auth(self) -> str:
        """What clients authenticate with: `token` or `none`."""
        return "none" if self.token is None else "token"

    @property
    def viewers(self) -> int:
        """The number of viewers of all cameras."""
        return sum(len(camera.viewers) for camera in self.cameras)

    async def take_snapshot(self, camera: Camera, trigger: str) -> Snapshot:
        """Take a picture now, store it and call `on_snapshot`. `trigger` says who requested it: `http` or `mqtt`.

        Raises `CameraUnavailableError` when there is no picture, `SnapshotError` when it cannot be stored, and
        `CameraBusyError` when too many are requested.
        """
        now = time.monotonic()
        if wait := self._snapshot_limit.take((camera.settings.id, trigger), now):
            raise CameraBusyError(f"{camera.settings.name} can keep {SNAPSHOTS_PER_SECOND:g} snapshots a second", wait)
        frame = await camera.still(now)
        snapshot = await self.snapshots.save(camera.settings.id, frame, trigger)
        for listener in self.on_snapshot:
            listener(snapshot, trigger)
        return snapshot

    async def adjust(self, camera: Camera, values: Mapping[str, object]) -> None:
        """Set controls of a camera and store them for the next start.

        Raises `ControlError` when a control does not exist or cannot have the value; then none is set. Raises
        `CameraUnavailableError` when the camera cannot be reached. When the values cannot be stored, this is logged:
        the camera has them all the same.
        """
        await camera.set_controls(values)
        try:
            await asyncio.to_thread(self.control_store.save, camera.settings.id, camera.control_overrides)
        except OSError as error:
            _LOGGER.warning("%s: the controls are set, but could not be stored: %s", camera.settings.name, error)


def make_server(configuration: Configuration) -> Server:
    """Return the server. It reads and writes the state folder. Raises `ConfigurationError`."""
    folder = configuration.server.state_dir
    token = make_access_token(configuration)
    try:
        # The server has the folder to itself, but for a `pi-mjpeg token --rotate` in the same millisecond.
        remove_unfinished(folder)
        identity = identify(configuration.server.name, folder)
        identity_key = IdentityKey.load(folder / IDENTITY_KEY_FILE)
    except OSError as error:
        raise _unusable(folder, error) from error
    snapshots = SnapshotStore(folder / "snapshots", UrlSigner(lambda: token.key(KEY_PURPOSE)))
    return Server(
        identity,
        make_cameras(configuration),
        snapshots,
        _control_store(configuration),
        token=token if configuration.auth.mode == "token" else None,
        identity_key=identity_key,
    )


def make_cameras(configuration: Configuration) -> list[Camera]:
    """Return the configured cameras with the controls that were stored last."""
    stored = _control_store(configuration).load()
    memory = CameraMemory(configuration.server.state_dir / "camera-found")
    return [
        Camera(settings, source_factory(settings.source, memory), stored.get(settings.id))
        for settings in configuration.cameras
    ]


def make_access_token(configuration: Configuration) -> AccessToken:
    """Return the access token; a new one if there is none yet. Raises `ConfigurationError`."""
    try:
        return AccessToken(token_file(configuration))
    except TokenError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise _unusable(configuration.server.state_dir, error) from error


def token_file(configuration: Configuration) -> Path:
    """Return the path of the access token's file."""
    return configuration.server.state_dir / "token"


def _control_store(configuration: Configuration) -> ControlStore:
    return ControlStore(configuration.server.state_dir / "controls.json")


def _unusable(folder: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}")
