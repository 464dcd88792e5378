"""The server: its identity, its cameras, and what it stores for them. The web and MQTT both serve this."""

import asyncio
import logging
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError
from pi_mjpeg_server.camera.focus import focus
from pi_mjpeg_server.camera.scaled_streams import ScaledStreams
from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.config.motion import validated_motion
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.media.scaling import Scaler
from pi_mjpeg_server.motion.watch import MotionWatch
from pi_mjpeg_server.recording.on_motion import MotionRecorder
from pi_mjpeg_server.recording.recorder import Recorder
from pi_mjpeg_server.recording.request import ClipRequest
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.clip import Clip
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.identity_key import IdentityKey
from pi_mjpeg_server.storage.settings_store import SettingsNotStoredError, SettingsStore
from pi_mjpeg_server.storage.snapshots import Snapshot, SnapshotStore
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.system.identity import Identity

SNAPSHOT_BURST = 32
"""Snapshots of one camera that may be kept at once, for each trigger."""
SNAPSHOTS_PER_SECOND = 2.0
"""The same in the long run: a server without a token takes requests from everybody."""

MAX_WAITING_CHANGES = 16
"""Changes of privacy and motion settings that wait for the disk at once.

Further ones are in force too, but answered with an error.
"""
EXPIRY_INTERVAL = 600.0
"""Seconds after which clips that are too old are looked for."""

_LOGGER = logging.getLogger(__name__)


@dataclass(slots=True)
class BrokerStatus:
    """The connection to the MQTT broker. `state` is `off` (none configured), `connecting` or `connected`."""

    state: str = "off"
    broker: str | None = None
    error: str | None = None


@dataclass(frozen=True, slots=True)
class LastKept:
    """The last snapshot and the last clip that are kept of a camera; None where there is none."""

    snapshot: Snapshot | None = None
    clip: Clip | None = None


@dataclass(slots=True)
class Server:
    """One server process. Without a `token`, everybody may watch and command.

    `motion` has the motion detection of each camera by its id. The functions in `on_snapshot` are called with each new
    snapshot and its trigger. `problems` are sentences for the
    owner by a code, about what only a person can mend. `instance` is random: it tells this process from another server
    with the same id.
    """

    identity: Identity
    cameras: Sequence[Camera]
    snapshots: SnapshotStore
    control_store: ControlStore
    settings_store: SettingsStore
    clips: ClipStore
    broker: BrokerStatus = field(default_factory=BrokerStatus)
    started_at: float = field(default_factory=time.time)
    token: AccessToken | None = None
    view_tokens: ViewTokens | None = None
    identity_key: IdentityKey = field(default_factory=IdentityKey)
    scaler: Scaler = field(default_factory=Scaler)
    problems: dict[str, str] = field(default_factory=dict)
    instance: str = field(default_factory=lambda: secrets.token_hex(8))
    motion: dict[str, MotionWatch] = field(default_factory=dict)
    on_snapshot: list[Callable[[Snapshot, str], None]] = field(default_factory=list)
    recorder: Recorder = field(init=False)
    scaled_streams: ScaledStreams = field(init=False)
    _snapshot_limit: RateLimit = field(default_factory=lambda: RateLimit(SNAPSHOT_BURST, SNAPSHOTS_PER_SECOND))
    _waiting: int = 0
    _changes: int = 0
    _stored_changes: int = 0
    _storing: asyncio.Lock = field(default_factory=asyncio.Lock)
    _expiry: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        """Make what all cameras share, and give each a motion detection; without settings, it is off."""
        self.recorder = Recorder(self.clips)
        self.scaled_streams = ScaledStreams(self.scaler)
        self.motion = {
            camera.settings.id: self.motion.get(camera.settings.id) or MotionWatch(camera) for camera in self.cameras
        }
        for camera in self.cameras:
            if camera.settings.record_on_motion:
                MotionRecorder(self.recorder, self.motion[camera.settings.id])

    def start(self) -> None:
        """Start the cameras, and their motion detection where it is enabled."""
        self._expiry = create_logged_task(self._expire_clips(), "expiry of clips")
        for camera in self.cameras:
            camera.start()
        for watch in self.motion.values():
            watch.start()

    async def stop(self) -> None:
        """Stop all of them, with what is recorded until then."""
        if self._expiry is not None:
            self._expiry.cancel()
        await self.recorder.stop()
        await asyncio.gather(*(watch.stop() for watch in self.motion.values()))
        await asyncio.gather(*(camera.stop() for camera in self.cameras))

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

        Raises `CameraUnavailableError` when there is no picture, `CameraOffError` when the camera is switched off,
        `SnapshotError` when it cannot be stored, and `CameraBusyError` when too many are requested.
        """
        now = time.monotonic()
        self._limit_snapshots(camera, trigger, now)
        return await self._keep(camera, await camera.still(now), trigger)

    async def take_full_snapshot(self, camera: Camera, trigger: str) -> tuple[Snapshot, float]:
        """Do the same at the full size of the camera, and also return for how many seconds viewers had no new picture.

        Raises the same.
        """
        self._limit_snapshots(camera, trigger, time.monotonic())
        still = await camera.full_stills.take()
        camera.raise_if_withdrawn(still.frame)
        return await self._keep(camera, still.frame, trigger), still.gap

    def _limit_snapshots(self, camera: Camera, trigger: str, now: float) -> None:
        if wait := self._snapshot_limit.take((camera.settings.id, trigger), now):
            raise CameraBusyError(f"{camera.settings.name} can keep {SNAPSHOTS_PER_SECOND:g} snapshots a second", wait)

    async def _keep(self, camera: Camera, frame: Frame, trigger: str) -> Snapshot:
        snapshot = await self.snapshots.save(camera.settings.id, frame, trigger)
        for listener in self.on_snapshot:
            listener(snapshot, trigger)
        return snapshot

    async def record_clip(self, camera: Camera, request: ClipRequest, trigger: str) -> Clip:
        """Record a clip and keep it. `trigger` says who requested it. Raises what `Recorder.record` raises."""
        before = camera.settings.preroll if request.before is None else request.before
        return await self.recorder.record(camera, before, request.after, trigger)

    async def _expire_clips(self) -> None:
        while True:
            await asyncio.sleep(EXPIRY_INTERVAL)
            await asyncio.to_thread(self.clips.expire)

    async def last_kept(self) -> dict[str, LastKept]:
        """Return the last kept snapshot and clip of each camera by its id."""
        camera_ids = [camera.settings.id for camera in self.cameras]
        return await asyncio.to_thread(
            lambda: {each: LastKept(self.snapshots.latest(each), self.clips.latest(each)) for each in camera_ids}
        )

    async def set_enabled(self, camera: Camera, enabled: bool) -> None:  # noqa: FBT001  (a value, not a flag)
        """Switch a camera on or off at once, and return when that is on the disk.

        Raises `SettingsNotStoredError` when it cannot be stored: it is in force all the same, until the next start.
        """
        if enabled:
            camera.enable()
        else:
            camera.disable()
        state, later = ("on", "off") if enabled else ("off", "on")
        await self._store_settings(f"{camera.settings.name} is {state} now", f"it may be {later} again")

    async def set_motion(self, camera: Camera, values: object) -> None:
        """Change motion settings of a camera at once, and return when that is on the disk.

        Raises `MotionSettingError` when one does not exist or cannot have the value; then none is changed. Raises
        `SettingsNotStoredError` when they cannot be stored: they are in force all the same, until the next start.
        """
        self.motion[camera.settings.id].change(validated_motion(values))
        await self._store_settings(
            f"{camera.settings.name} has these motion settings now", "it may have the former ones again"
        )

    async def _store_settings(self, done: str, later: str) -> None:
        """Store privacy and motion settings. In an error, `done` says what is in force, and `later` what may follow."""
        self._changes += 1
        change = self._changes
        if self._waiting >= MAX_WAITING_CHANGES:
            # One of those that wait stores this change too, but nobody knows when.
            raise SettingsNotStoredError(f"{done}, but the disk is too slow to store it")
        self._waiting += 1
        try:
            await self._store_changes(change, done, later)
        finally:
            self._waiting -= 1

    async def _store_changes(self, change: int, done: str, later: str) -> None:
        async with self._storing:
            if self._stored_changes >= change:
                return
            # All cameras, as they are now: of several changes that wait here, one write stores the last.
            changes = self._changes
            enabled_now = {each.settings.id: each.enabled for each in self.cameras}
            motion_now = {camera_id: dict(watch.overrides) for camera_id, watch in self.motion.items()}
            try:
                await asyncio.to_thread(self.settings_store.save, enabled_now, motion_now)
            except OSError as error:
                message = f"{done}, but this could not be stored, so {later} after a restart: {error}"
                _LOGGER.warning("%s", message)
                raise SettingsNotStoredError(message) from error
            self._stored_changes = changes

    async def adjust(self, camera: Camera, values: Mapping[str, object]) -> None:
        """Set controls of a camera and store them for the next start.

        Raises `ControlError` when a control does not exist or cannot have the value; then none is set. Raises
        `CameraUnavailableError` when the camera cannot be reached, and `CameraOffError` when it is switched off. When
        the values cannot be stored, this is logged: the camera has them all the same.
        """
        await camera.set_controls(values)
        await self._store_controls(camera)

    async def focus(self, camera: Camera) -> None:
        """Focus a camera once, and return when its picture is sharp. Raises what `camera.focus.focus` raises."""
        kept = dict(camera.control_overrides)
        await focus(camera)
        if camera.control_overrides != kept:
            await self._store_controls(camera)

    async def _store_controls(self, camera: Camera) -> None:
        try:
            await asyncio.to_thread(self.control_store.save, camera.settings.id, camera.control_overrides)
        except OSError as error:
            _LOGGER.warning("%s: the controls are set, but could not be stored: %s", camera.settings.name, error)
