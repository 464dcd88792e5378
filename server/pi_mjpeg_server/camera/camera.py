"""One camera as the rest of the server sees it: its viewers, its frames, its controls, and how it is."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.rate import Rate
from pi_mjpeg_server.camera.supervisor import START_TIMEOUT, State, Supervisor
from pi_mjpeg_server.camera.viewer import Viewer
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.media import placard
from pi_mjpeg_server.media.frame import Frame, Picture
from pi_mjpeg_server.sources import Adjustable, Source, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlValue, checked

_LOGGER = logging.getLogger(__name__)
_PLACARD_EVERY = 1.0

__all__ = ["Camera", "CameraSettings", "CameraUnavailableError", "State"]


class CameraUnavailableError(Exception):
    """No picture can be had now; the message says why."""


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera as configured. `linger` is how many seconds it runs on after the last viewer left."""

    id: str
    name: str
    source: str = "auto"
    linger: float = 10
    asked: SourceSettings = field(default_factory=SourceSettings)


class Camera:
    """One camera. It captures while somebody watches, and for `linger` seconds more.

    All methods belong to the event loop; what the driver has to do happens in its thread.
    """

    def __init__(
        self,
        settings: CameraSettings,
        make_source: Callable[[SourceSettings], Source],
        adjusted: Mapping[str, ControlValue] | None = None,
    ) -> None:
        """Prepare an idle camera.

        `make_source` is called, off the loop, for each try to open it; `adjusted` are the controls that were set at
        run time before, which go before the configured ones.
        """
        self.settings = settings
        self.broadcast = Broadcast()
        self.viewers: set[Viewer] = set()
        self.mode = SourceInfo()
        self.controls: Mapping[str, Control] = {}
        self.adjusted = dict(adjusted or {})
        self.pictures = Rate()
        self.missed = 0
        self.sent_before = 0
        self.dropped_before = 0
        self.on_change: list[Callable[[], None]] = []
        self.supervisor = Supervisor(settings.name, lambda: make_source(self._asked()), self)
        self._demands = 0
        self._lingers_until = 0.0
        self._sequence = 0
        self._placards: asyncio.Task[None] | None = None
        self._placard_due = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()

    @property
    def state(self) -> State:
        """What the camera does."""
        return self.supervisor.state

    @property
    def reason(self) -> str | None:
        """Why it gives no picture, if it does not."""
        return self.supervisor.reason

    @property
    def available(self) -> bool:
        """Whether pictures can be had; an idle camera can be started."""
        return self.state in {State.IDLE, State.STARTING, State.LIVE}

    def start(self) -> None:
        """Begin: the camera takes one picture to see that it can."""
        self.supervisor.start()

    async def stop(self) -> None:
        """Close the device."""
        if self._placards is not None:
            self._placards.cancel()
            await asyncio.gather(self._placards, return_exceptions=True)
        await self.supervisor.stop()

    def restart(self) -> None:
        """Close the device and open it anew."""
        self.supervisor.restart()

    @contextlib.contextmanager
    def viewing(self, viewer: Viewer) -> Iterator[None]:
        """Keep the camera capturing while a viewer watches."""
        self.viewers.add(viewer)
        try:
            with self._demanded():
                self._tell()
                yield
        finally:
            self.viewers.discard(viewer)
            self.sent_before += viewer.sent.count
            self.dropped_before += viewer.dropped
            self._tell()

    async def still(self, taken_after: float) -> Frame:
        """Return a frame taken after that moment of the monotonic clock; an old one may be there already.

        Raises `CameraUnavailableError` with the reason as soon as it is known that there will be none.
        """
        latest = self.broadcast.latest
        if latest is not None and not latest.drawn and latest.taken >= taken_after:
            return latest
        self._refuse_if_failing()
        with self._demanded():
            sequence = self._sequence
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    while True:
                        frame = await self.broadcast.newer_than(sequence)
                        if not frame.drawn and frame.taken >= taken_after:
                            return frame
                        self._refuse_if_failing()
                        sequence = frame.sequence
            except TimeoutError:
                raise CameraUnavailableError(f"no picture within {START_TIMEOUT:.0f} s") from None

    async def set_controls(self, wishes: Mapping[str, object]) -> None:
        """Adjust the camera, all of it or nothing, and remember it for the next time it is opened.

        Raises `ControlError` with the range for a wish that cannot be, and `CameraUnavailableError` when the camera
        cannot be asked.
        """
        self._refuse_if_failing()
        values = checked(self.controls, wishes)

        def adjust(source: Source) -> Mapping[str, Control]:
            if not isinstance(source, Adjustable):
                return {}
            for name, value in values.items():
                source.set_control(name, value)
            return source.controls()

        try:
            self.controls = await self.supervisor.do(adjust)
        except (SourceError, OSError, RuntimeError) as error:
            raise CameraUnavailableError(f"the camera did not take it: {error}") from error
        self.adjusted |= values
        self._tell()

    def wanted_until(self) -> float:
        """Say how long pictures are wanted (for the supervisor)."""
        return math.inf if self._demands else self._lingers_until

    def opened(self, mode: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Take note of what the device gives (from the supervisor)."""
        self.controls = controls
        if mode != self.mode:
            size = f"{mode.size[0]}x{mode.size[1]}" if mode.size else "unknown size"
            _LOGGER.info("%s: %s, %s at %s fps", self.settings.name, mode.model or "camera", size, mode.fps)
            if mode.note:
                _LOGGER.warning("%s: %s", self.settings.name, mode.note)
            self.mode = mode
        self._tell()

    def pictured(self, picture: Picture, missed: int) -> None:
        """Publish a picture (from the supervisor)."""
        self.pictures.tick(time.monotonic())
        self.missed += missed
        self._publish(picture.jpeg, picture.taken, drawn=False)

    def changed(self) -> None:
        """Tell those who want to know that the state is another one (from the supervisor)."""
        self._placard_due.set()
        self._show_placards()
        self._tell()

    def _asked(self) -> SourceSettings:
        asked = self.settings.asked
        return replace(asked, controls={**asked.controls, **self.adjusted})

    @contextlib.contextmanager
    def _demanded(self) -> Iterator[None]:
        self._demands += 1
        self._show_placards()
        self.supervisor.look()
        try:
            yield
        finally:
            self._demands -= 1
            self._lingers_until = time.monotonic() + self.settings.linger
            self.supervisor.look()

    def _refuse_if_failing(self) -> None:
        if not self.available:
            raise CameraUnavailableError(self.reason or "the camera gives no pictures")

    def _placard_wanted(self) -> bool:
        return self._demands > 0 and (not self.available or self.state is State.STARTING)

    def _show_placards(self) -> None:
        if self._placard_wanted() and (self._placards is None or self._placards.done()):
            self._placards = asyncio.create_task(self._keep_showing_placards())

    async def _keep_showing_placards(self) -> None:
        """Once a second, while somebody waits for a picture that does not come, publish one that says why.

        A camera that starts gets a second to do so first.
        """
        if self.state is State.STARTING:
            await self._until_placard_due()
        while self._placard_wanted():
            supervisor, starting = self.supervisor, self.state is State.STARTING
            title = f"{self.settings.name}: " + ("starting" if starting else "no picture")
            reason = supervisor.reason or "The camera is being started."
            size = self.mode.size or self.settings.asked.size
            try:
                jpeg = await asyncio.to_thread(placard.draw, size, title, reason, supervisor.since, time.time())
            except (OSError, MemoryError) as error:
                # What keeps the camera from opening may keep Pillow from its files too; both may come back.
                self._rate_limited_log.warn("placard", f"{self.settings.name}: no picture can be drawn: {error}")
            else:
                if self._placard_wanted():
                    self._publish(jpeg, time.monotonic(), drawn=True)
            await self._until_placard_due()

    async def _until_placard_due(self) -> None:
        """Wait a second, or until the state is another one."""
        self._placard_due.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_PLACARD_EVERY):
                await self._placard_due.wait()

    def _publish(self, jpeg: bytes, taken: float, *, drawn: bool) -> None:
        self._sequence += 1
        timestamp = time.time() - (time.monotonic() - taken)
        self.broadcast.publish(Frame(jpeg, self._sequence, taken, timestamp, drawn))

    def _tell(self) -> None:
        for listener in self.on_change:
            listener()
