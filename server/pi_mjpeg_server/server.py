"""Everything one server process is about: who it is, its cameras, and what they kept."""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.media.scaling import Scaler
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.snapshots import Snapshot, SnapshotStore
from pi_mjpeg_server.system.identity import Identity

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class BrokerStatus:
    """How the connection to the MQTT broker is: `off` (none configured), `connecting` or `connected`."""

    state: str = "off"
    broker: str | None = None
    error: str | None = None


@dataclass(slots=True)
class Server:
    """The facts that the web and MQTT both tell of. Without a `token` everybody may watch and command."""

    identity: Identity
    cameras: Sequence[Camera]
    snapshots: SnapshotStore
    control_store: ControlStore
    broker: BrokerStatus = field(default_factory=BrokerStatus)
    started_at: float = field(default_factory=time.time)
    token: AccessToken | None = None
    scaler: Scaler = field(default_factory=Scaler)
    on_snapshot: list[Callable[[Snapshot, str], None]] = field(default_factory=list)

    def camera(self, camera_id: str) -> Camera | None:
        """Return a camera by its id."""
        return next((camera for camera in self.cameras if camera.settings.id == camera_id), None)

    @property
    def auth(self) -> str:
        """What a client has to show, in the contract's words: `token` or `none`."""
        return "none" if self.token is None else "token"

    @property
    def viewers(self) -> int:
        """How many viewers there are in all."""
        return sum(len(camera.viewers) for camera in self.cameras)

    async def take_snapshot(self, camera: Camera, trigger: str) -> Snapshot:
        """Take a picture now, keep it, and tell who wants to know; `trigger` says who asked for it.

        Raises `CameraUnavailableError` when there is none to take and `SnapshotError` when it cannot be kept.
        """
        frame = await camera.still(time.monotonic())
        kept = await self.snapshots.keep(camera.settings.id, frame)
        for listener in self.on_snapshot:
            listener(kept, trigger)
        return kept

    async def adjust(self, camera: Camera, wishes: Mapping[str, object]) -> None:
        """Set controls of a camera, all or none, and keep them for the next start.

        Raises `ControlError` for a wish that cannot be and `CameraUnavailableError` when the camera cannot be asked.
        A disk that does not keep them is told in the log: the camera is adjusted all the same.
        """
        await camera.set_controls(wishes)
        try:
            await asyncio.to_thread(self.control_store.save, camera.settings.id, camera.control_overrides)
        except OSError as error:
            _LOGGER.warning("%s: the controls are set but not kept: %s", camera.settings.name, error)
