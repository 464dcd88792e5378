"""Records clips: by request with seconds before and after, or for as long as something goes on."""

import asyncio
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError, CameraOffError, CameraUnavailableError
from pi_mjpeg_server.concurrency.listeners import notify
from pi_mjpeg_server.concurrency.rate_limit import RateLimit
from pi_mjpeg_server.recording.recording import Recording
from pi_mjpeg_server.storage.clip import Clip, ClipError
from pi_mjpeg_server.storage.clips import ClipStore

if TYPE_CHECKING:
    from collections.abc import Callable

_LOGGER = logging.getLogger(__name__)

MAX_RECORDINGS = 4
"""Recordings of one camera at once, for each trigger."""
CLIP_BURST = 100
"""Clips of one camera that may be asked for at once, for each trigger."""
CLIPS_PER_SECOND = 2.0
"""The same in the long run: a server without a token takes requests from everybody."""
MAX_LENGTH = 60.0
"""Seconds after which a recording of motion goes on in a next clip."""


class Recorder:
    """Records clips of cameras into a store, and calls the functions in `on_clip` with each.

    All methods belong to the event loop.
    """

    def __init__(self, clips: ClipStore) -> None:
        """Keep what is recorded in `clips`."""
        self.clips = clips
        self.on_clip: list[Callable[[Clip], None]] = []
        self.recorded: Counter[str] = Counter()
        """The number of clips that were recorded, by the id of the camera."""
        self._running: dict[asyncio.Task[Clip], Recording] = {}
        self._rate_limit = RateLimit(CLIP_BURST, CLIPS_PER_SECOND)

    def is_recording(self, camera: Camera) -> bool:
        """Return whether a clip of this camera is being recorded."""
        return any(recording.camera is camera for recording in self._running.values())

    async def record(self, camera: Camera, before: float, after: float, trigger: str) -> Clip:
        """Record a clip from `before` seconds ago to `after` seconds from now, and return it when it is whole.

        Raises `CameraBusyError` when too many are recorded, `CameraOffError` when the camera is switched off or is so
        meanwhile, `CameraUnavailableError` when it gives no picture, and `ClipError` when the clip cannot be written.
        """
        name = camera.settings.name
        running = (recording for recording in self._running.values() if recording.camera is camera)
        if sum(recording.trigger == trigger for recording in running) >= MAX_RECORDINGS:
            raise CameraBusyError(f"{name} is recording {MAX_RECORDINGS} clips already", max(1.0, after))
        if wait := self._rate_limit.take((camera.settings.id, trigger), time.monotonic()):
            raise CameraBusyError(f"{name} can record {CLIPS_PER_SECOND:g} clips a second", wait)
        task = self._start(Recording(camera, self.clips, trigger, before, after))
        # A client that leaves does not end the recording.
        return await asyncio.shield(task)

    def start(self, camera: Camera, trigger: str) -> "OpenRecording":
        """Record from the camera's preroll on until `stop` is called, in clips of at most `MAX_LENGTH` seconds.

        Raises `CameraOffError` and `CameraUnavailableError`.
        """
        return OpenRecording(self, camera, trigger)

    async def stop(self) -> None:
        """End all recordings with what there is, and wait until their clips are whole."""
        for recording in self._running.values():
            recording.end()
        if self._running:
            await asyncio.wait(self._running)

    def _start(self, recording: Recording) -> asyncio.Task[Clip]:
        task = asyncio.create_task(recording.run(), name=f"clip of {recording.camera.settings.id}")
        self._running[task] = recording
        task.add_done_callback(self._ended)
        for listener in recording.camera.on_change:
            notify(listener)
        return task

    def _ended(self, task: asyncio.Task[Clip]) -> None:
        recording = self._running.pop(task)
        camera = recording.camera
        if not task.cancelled() and (error := task.exception()) is None:
            clip = task.result()
            self.recorded[clip.camera] += 1
            _LOGGER.info(
                "%s: clip %s, %.1f s before and %.1f s after", camera.settings.name, clip.id, clip.before, clip.after
            )
            for listener in self.on_clip:
                notify(listener, clip)
        elif not task.cancelled():
            expected = isinstance(error, ClipError | CameraOffError | CameraUnavailableError)
            _LOGGER.warning("%s: no clip: %s", camera.settings.name, error, exc_info=None if expected else error)
        for change_listener in camera.on_change:
            notify(change_listener)


class OpenRecording:
    """A recording whose end is not known yet: one clip, or several that follow each other without a gap."""

    def __init__(self, recorder: Recorder, camera: Camera, trigger: str) -> None:
        """Begin with the camera's preroll."""
        self._recorder = recorder
        self._camera = camera
        self._trigger = trigger
        self._task, self._recording = self._next(camera.settings.preroll)

    @property
    def is_running(self) -> bool:
        """Whether it still records: it ends by itself when the camera is switched off or the clip cannot be written."""
        return not self._task.done()

    def stop(self) -> None:
        """End it now."""
        self._recording.end()

    def _next(self, before: float) -> tuple[asyncio.Task[Clip], Recording]:
        recording = Recording(self._camera, self._recorder.clips, self._trigger, before, MAX_LENGTH, self._go_on)
        return self._recorder._start(recording), recording  # noqa: SLF001  (a part of the recorder)

    def _go_on(self) -> None:
        try:
            self._task, self._recording = self._next(0)
        except (CameraOffError, CameraUnavailableError) as error:
            _LOGGER.info("%s: the recording ends: %s", self._camera.settings.name, error)
