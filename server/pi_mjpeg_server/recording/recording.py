"""One recording: takes every frame of a camera, and writes them in a thread."""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraOffError, CameraUnavailableError
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.storage.clip import Clip, ClipError, NoRoomError
from pi_mjpeg_server.storage.clip_draft import ClipDraft
from pi_mjpeg_server.storage.clips import ClipStore

_T = TypeVar("_T")
_LOGGER = logging.getLogger(__name__)

WRITE_INTERVAL = 0.5
"""Seconds between two writes. A kill loses as much, and each write takes a thread."""

MAX_WAITING_BYTES = 32 * 1024 * 1024
"""Bytes of pictures that wait for a slow disk. With more, the recording ends early."""

GRACE = 1.0
"""Seconds that the last picture may come late; a camera that has none then is not waited for."""


class Recording:
    """Records one clip of one camera. All methods belong to the event loop.

    It begins with the frames in the camera's ring, and misses none from then on. It holds references to frames until
    they are written. A recording of a camera that is switched off is given up, and what was written of it is deleted.
    """

    def __init__(
        self,
        camera: Camera,
        store: ClipStore,
        trigger: str,
        before: float,
        after: float,
        on_full: Callable[[], None] | None = None,
    ) -> None:
        """Begin with what was up to `before` seconds ago, and go on for `after` seconds.

        `on_full` is called when these are over, before any further frame comes: a next recording can go on without a
        gap. Raises `CameraOffError` when the camera is switched off, and `CameraUnavailableError` when it gives no
        pictures.
        """
        camera.raise_if_off()
        if not camera.available:
            raise CameraUnavailableError(camera.reason or "the camera gives no pictures")
        self.camera = camera
        self.trigger = trigger
        self._store = store
        self._on_full = on_full
        self._moment, self._began = time.time(), time.monotonic()
        self._end_at = self._began + after
        self._waiting = camera.ring.since(self._began - before) if before else []
        self._last_taken = self._waiting[-1].taken if self._waiting else -math.inf
        self._waiting_bytes = 0
        self._ended = asyncio.Event()
        self._failure: Exception | None = None
        self._listening = contextlib.ExitStack()
        self._listening.enter_context(camera.recording(self._frame_received))
        camera.on_change.append(self._camera_changed)

    def end(self) -> None:
        """End it now, with what there is."""
        self._ended.set()

    async def run(self) -> Clip:
        """Write the clip until it ends, and return it.

        Raises `CameraOffError` when the camera was switched off meanwhile, `CameraUnavailableError` when not one
        picture came, and `ClipError` when the clip cannot be written. No file stays behind then.
        """
        try:
            return await self._run()
        finally:
            self._listening.close()
            self.camera.on_change.remove(self._camera_changed)

    async def _run(self) -> Clip:
        draft = await _in_thread(
            lambda: self._store.begin(self.camera.settings.id, self.trigger, self._moment, self._began)
        )
        try:
            await self._write(draft)
            self._raise_failure()
        except BaseException:
            await _in_thread(draft.discard)
            raise
        clip = await _in_thread(draft.finish)
        if self._failure is not None:
            # It was switched off during the last writes: no picture may come out of it any more.
            await _in_thread(lambda: self._store.delete(clip.id))
        self._raise_failure()
        return clip

    async def _write(self, draft: ClipDraft) -> None:
        is_last = False
        while not is_last:
            is_last = await wait_for_event(self._ended, WRITE_INTERVAL) or self._is_overdue()
            if is_last:
                self._listening.close()
            frames, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if not frames:
                continue
            try:
                await _append(draft, frames)
            except NoRoomError as error:
                if not draft.bytes:
                    raise
                _LOGGER.warning("%s: the clip %s ends early: %s", self.camera.settings.name, draft.id, error)
                return

    def _frame_received(self, frame: Frame) -> None:
        if self._ended.is_set():
            return
        self._waiting.append(frame)
        self._waiting_bytes += len(frame.jpeg)
        self._last_taken = frame.taken
        if frame.taken >= self._end_at:
            self._ended.set()
            if self._on_full is not None:
                self._on_full()
        elif self._waiting_bytes > MAX_WAITING_BYTES:
            _LOGGER.warning("%s: a clip ends early, because its disk is too slow", self.camera.settings.name)
            self._ended.set()

    def _camera_changed(self) -> None:
        if not self.camera.enabled:
            self._fail(CameraOffError(f"{self.camera.settings.name} was switched off"))
        elif not self.camera.available and self._last_taken == -math.inf:
            self._fail(CameraUnavailableError(self.camera.reason or "the camera gives no pictures"))

    def _fail(self, failure: Exception) -> None:
        self._failure = self._failure or failure
        self._waiting.clear()
        self._ended.set()

    def _is_overdue(self) -> bool:
        now = time.monotonic()
        if self._last_taken == -math.inf:
            if now > max(self._end_at, self._began + supervisor.START_TIMEOUT):
                self._fail(CameraUnavailableError(f"no picture within {supervisor.START_TIMEOUT:.0f} s"))
                return True
            return False
        return now > self._end_at + GRACE

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure


async def _append(draft: ClipDraft, frames: list[Frame]) -> None:
    """Write frames, or only the newest if the seconds before take more than all room. Raises `ClipError`."""
    while True:
        try:
            await _in_thread(partial(draft.write, frames))
        except NoRoomError:
            if draft.bytes or len(frames) == 1:
                raise
            frames = frames[len(frames) // 2 :]
        else:
            return


async def _in_thread(call: Callable[[], _T]) -> _T:
    """Call it in a thread. Raises what it raises, and `ClipError` when there is no thread."""
    try:
        return await run_in_daemon_thread(call, "clip")
    except RuntimeError as error:
        raise ClipError(f"no thread to write the clip in: {error}") from error
