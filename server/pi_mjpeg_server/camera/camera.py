"""One camera as the rest of the server sees it: its viewers, its frames, its controls and its state."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.demand import Demand
from pi_mjpeg_server.camera.errors import CameraBusyError, CameraOffError, CameraUnavailableError
from pi_mjpeg_server.camera.frame_maker import FrameMaker
from pi_mjpeg_server.camera.full_stills import FullStills
from pi_mjpeg_server.camera.placard_loop import PlacardLoop
from pi_mjpeg_server.camera.rate import Rate
from pi_mjpeg_server.camera.ring import Ring
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState, CameraStatus
from pi_mjpeg_server.camera.supervisor import START_TIMEOUT, Supervisor
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.concurrency.listeners import notify
from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.media.frame import Frame, Picture
from pi_mjpeg_server.sources import Adjustable, Source, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlValue, set_controls, validate_controls

_LOGGER = logging.getLogger(__name__)

RESTART_INTERVAL = 10.0
"""Seconds between two restarts on request: while it restarts, the camera gives no pictures."""


class Camera:
    """One camera. It captures while pictures are demanded (`demand`), but never while it is switched off.

    All methods belong to the event loop; the driver is called in a thread of its own.
    """

    def __init__(
        self,
        settings: CameraSettings,
        make_source: Callable[[SourceSettings], Source],
        control_overrides: Mapping[str, ControlValue] | None = None,
    ) -> None:
        """Prepare an idle camera.

        `make_source` is called off the event loop, each time the device is opened. `control_overrides` are values that
        were set at run time before; they take precedence over the configured ones.
        """
        self.settings = settings
        self.ring = Ring(settings.preroll)
        self.demand = Demand(settings.linger, self._demand_changed, always_on=settings.always_on)
        self.viewers = self.demand.viewers
        self.source_info = SourceInfo()
        self.controls: Mapping[str, Control] = {}
        self.control_overrides = dict(control_overrides or {})
        self.capture_rate = Rate()
        self.broadcast = Broadcast(self.capture_rate)
        self.capture_drops = 0
        self.on_change: list[Callable[[], None]] = []
        self.supervisor = Supervisor(settings.name, lambda: make_source(self._effective_settings()), self)
        self._restart_limit = RateLimit(1, 1 / RESTART_INTERVAL)
        self._rate_limited_log = RateLimitedLog()
        self._frames = FrameMaker()
        self._settles_at: float | None = None
        self._placard_loop = PlacardLoop(
            settings.name,
            is_demanded=lambda: self.demand.is_shown,
            status=lambda: self.status,
            size=lambda: self.source_info.size or settings.requested.size,
            publish=lambda jpeg: self.broadcast.publish(self._frames.drawn(jpeg)),
        )
        self.full_stills = FullStills(
            settings.name,
            self.supervisor,
            warm_up=settings.warm_up,
            demand=self.demand.pictures,
            still=self.still,
            reserve=self._frames.reserve,
            raise_if_off=self.raise_if_off,
        )

    @property
    def status(self) -> CameraStatus:
        """The state and its history."""
        return self.supervisor.status

    @property
    def state(self) -> CameraState:
        """What the camera does now."""
        return self.status.state

    @property
    def reason(self) -> str | None:
        """Why it gives no picture, or None."""
        return self.status.reason

    @property
    def enabled(self) -> bool:
        """Whether the camera is switched on."""
        return self.state is not CameraState.OFF

    @property
    def available(self) -> bool:
        """Whether pictures can be had. An idle camera is available, because it can be started."""
        return self.state.is_available

    def start(self) -> None:
        """Start the camera. Unless it is switched off, it takes one picture to learn whether it can."""
        self.supervisor.start()

    async def stop(self) -> None:
        """Stop capturing and close the device."""
        await self.full_stills.stop()
        await self.supervisor.stop()
        await self._placard_loop.stop()

    def enable(self) -> None:
        """Switch the camera on. Pictures come by themselves where there are viewers."""
        self.supervisor.enable()

    def disable(self, reason: str | None = None) -> None:
        """Switch the camera off: close the device at once, and let no picture pass from now on.

        Viewers see a drawn picture that says so. `reason` is shown there too, if it was not a person who did it.
        """
        self.supervisor.disable(reason)
        self.broadcast.withdraw(self._frames.sequence)
        self.ring.clear()

    def restart(self) -> None:
        """Close the device and open it again, on request.

        Raises `CameraOffError` when the camera is switched off, `CameraBusyError` if the last restart was less than
        `RESTART_INTERVAL` seconds ago, and `CameraUnavailableError` if the camera is stuck for good.
        """
        self.raise_if_off()
        if wait := self._restart_limit.take("restart", time.monotonic()):
            message = f"{self.settings.name} restarts at most once in {RESTART_INTERVAL:.0f} s; it did so just now"
            raise CameraBusyError(message, wait)
        self._rate_limited_log.info("restart", f"{self.settings.name}: restarting on request")
        self.supervisor.restart()

    @contextlib.contextmanager
    def viewing(self, viewer: ViewerStats) -> Iterator[None]:
        """Count `viewer` as watching and keep the camera capturing, inside the `with` block."""
        try:
            with self.demand.viewing(viewer):
                self._notify()
                yield
        finally:
            self._notify()

    @contextlib.contextmanager
    def recording(self, listener: Callable[[Frame], None]) -> Iterator[None]:
        """Keep the camera capturing at its full rate and call `listener` with each frame, inside the `with` block."""
        self.ring.listeners.append(listener)
        try:
            with self.demand.recording():
                yield
        finally:
            self.ring.listeners.remove(listener)

    async def still(self, taken_after: float) -> Frame:
        """Return a frame taken after `taken_after`, a time on the monotonic clock; the latest one if it is new enough.

        The first frames of a capture, whose exposure has not settled, are left out.

        Raises `CameraUnavailableError` with the reason as soon as it is known that there will be none, and
        `CameraOffError` as soon as the camera is switched off.
        """
        self.raise_if_off()
        latest = self.broadcast.latest
        if latest is not None and _is_still(latest, taken_after):
            return latest
        self._raise_if_unavailable()
        with self.demand.pictures():
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    while True:
                        await self.broadcast.change()
                        frame = self.broadcast.latest
                        if frame is not None and _is_still(frame, taken_after):
                            return frame
                        self._raise_if_unavailable()
            except TimeoutError:
                raise CameraUnavailableError(f"no picture within {START_TIMEOUT:.0f} s") from None

    async def set_controls(self, requested: Mapping[str, object]) -> None:
        """Set controls of the camera, and keep the values for the next time it is opened.

        All of them are set, or none. Raises `ControlError` for a value that is not in the range of its control or that
        the camera does not take, and `CameraUnavailableError` when the camera cannot be reached or fails. Raises
        `CameraOffError` when the camera is switched off.
        """
        self._raise_if_unavailable()
        validate_controls(self.controls, requested)

        def set_all(source: Source) -> tuple[Mapping[str, Control], Mapping[str, ControlValue]]:
            if not isinstance(source, Adjustable):
                return {}, {}
            # Another camera may have been plugged in meanwhile.
            return set_controls(source, validate_controls(source.controls(), requested))

        try:
            controls, kept = await self.supervisor.run(set_all)
        except (SourceError, OSError, RuntimeError) as error:
            self.raise_if_off()
            raise CameraUnavailableError(f"the camera did not accept it: {error}") from error
        self.controls_changed(controls, kept)

    def controls_changed(self, controls: Mapping[str, Control], kept: Mapping[str, ControlValue]) -> None:
        """Store what the controls are now, and the values that are for the next time the camera is opened."""
        self.controls = controls
        self.control_overrides |= kept
        self._notify()

    def demanded_until(self) -> float:
        """Return the time until which pictures are demanded (called by the supervisor)."""
        return self.demand.until

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Store what the device offers (called by the supervisor)."""
        self.controls = controls
        if info != self.source_info:
            size = f"{info.size[0]}x{info.size[1]}" if info.size else "unknown size"
            _LOGGER.info("%s: %s, %s at %s fps", self.settings.name, info.model or "camera", size, info.fps)
            if info.note:
                _LOGGER.warning("%s: %s", self.settings.name, info.note)
            self.source_info = info
        self._notify()

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """Publish a picture (called by the supervisor)."""
        self.capture_rate.tick(time.monotonic())
        self.capture_drops += capture_drops
        if self._settles_at is None:
            self._settles_at = picture.taken + self.settings.warm_up
        settled = picture.settled and picture.taken >= self._settles_at
        frame = self._frames.captured(picture, settled=settled)
        self.broadcast.publish(frame)
        self.ring.add(frame)

    def picture_replaced(self, picture: Picture) -> None:
        """Count a picture that viewers are not sent, and keep it for clips (called by the supervisor)."""
        self.capture_drops += 1
        self.ring.add(self._frames.captured(picture))

    def size_changed(self, size: tuple[int, int]) -> None:
        """Store the size that the pictures really have (called by the supervisor)."""
        _LOGGER.info("%s: the pictures have %dx%d pixels now", self.settings.name, *size)
        self.source_info = replace(self.source_info, size=size)
        self._notify()

    def pictures_dropped(self, count: int) -> None:
        """Count damaged pictures (called by the supervisor)."""
        self.capture_drops += count

    def state_changed(self) -> None:
        """Notify the listeners (called by the supervisor)."""
        if self.state is CameraState.IDLE:
            # Its frames are too old for the next clip, and cameras that run need the memory.
            self.ring.clear()
        if self.state is not CameraState.LIVE:
            # The next picture is the first of a new capture.
            self._settles_at = None
        self._placard_loop.state_changed()
        self._notify()

    def raise_if_off(self) -> None:
        """Raise `CameraOffError` if the camera is switched off."""
        if not self.enabled:
            raise CameraOffError(self._off_message())

    def raise_if_withdrawn(self, frame: Frame) -> None:
        """Raise `CameraOffError` if the camera was switched off after `frame` was taken."""
        if self.broadcast.is_withdrawn(frame):
            raise CameraOffError(self._off_message())

    def _effective_settings(self) -> SourceSettings:
        requested = self.settings.requested
        return replace(requested, controls={**requested.controls, **self.control_overrides})

    def _demand_changed(self) -> None:
        self._placard_loop.start_if_needed()
        self.supervisor.limit_rate(self.demand.rate_limit)
        # It asks `demanded_until` then.
        self.supervisor.wake()

    def _off_message(self) -> str:
        return f"{self.settings.name} is switched off" + (f": {self.reason}" if self.reason else "")

    def _raise_if_unavailable(self) -> None:
        self.raise_if_off()
        if not self.available:
            raise CameraUnavailableError(self.reason or "the camera gives no pictures")

    def _notify(self) -> None:
        for listener in self.on_change:
            notify(listener)


def _is_still(frame: Frame, taken_after: float) -> bool:
    return frame.settled and not frame.drawn and frame.taken >= taken_after
