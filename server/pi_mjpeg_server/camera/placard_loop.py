"""Shows viewers a drawn picture while the camera gives none, so that a stream is never silent."""

import asyncio
import time
from collections.abc import Callable
from functools import partial

from pi_mjpeg_server.camera.state import CameraState, CameraStatus
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.media import placard

_INTERVAL = 0.9
"""Seconds. After a second without a new frame, a stream would send the one before again."""


class PlacardLoop:
    """Publishes a placard, about once a second, that says why there is no picture.

    It runs only while pictures are demanded and the camera gives none. A camera that is starting gets a second to
    give a picture before the first placard.
    """

    def __init__(
        self,
        name: str,
        *,
        is_demanded: Callable[[], bool],
        status: Callable[[], CameraStatus],
        size: Callable[[], tuple[int, int]],
        publish: Callable[[bytes], None],
    ) -> None:
        """Prepare the loop for the camera called `name`.

        The callables tell whether a viewer waits for pictures, how the camera is, and how large in pixels a placard
        is to be; `publish` takes each placard, a JPEG.
        """
        self._name = name
        self._is_demanded = is_demanded
        self._status = status
        self._size = size
        self._publish = publish
        self._task: asyncio.Task[None] | None = None
        self._state_changed = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()

    def start_if_needed(self) -> None:
        """Start the loop if a placard is needed and it does not run yet."""
        if self._is_needed() and (self._task is None or self._task.done()):
            self._task = create_logged_task(self._run(), f"placards of {self._name}")

    def state_changed(self) -> None:
        """Draw the next placard at once: the state or its reason has changed."""
        self._state_changed.set()
        self.start_if_needed()

    async def stop(self) -> None:
        """Stop the loop."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def _is_needed(self) -> bool:
        state = self._status().state
        return self._is_demanded() and (not state.is_available or state is CameraState.STARTING)

    async def _run(self) -> None:
        self._state_changed.clear()
        if self._status().state is CameraState.STARTING:
            await wait_for_event(self._state_changed, _INTERVAL)
        while self._is_needed():
            # Before the state is read: a change while the picture is drawn has to be seen below.
            self._state_changed.clear()
            status = self._status()
            title, reason = self._text(status)
            try:
                draw = partial(placard.draw, self._size(), title, reason, status.since, time.time())
                jpeg = await run_in_daemon_thread(draw, "placard")
            except (OSError, MemoryError) as error:
                # What keeps the camera from opening may keep Pillow from its files too; both may recover.
                self._rate_limited_log.warn("placard", f"{self._name}: no picture can be drawn: {error}")
            else:
                if self._is_needed() and not self._state_changed.is_set():
                    self._publish(jpeg)
            await wait_for_event(self._state_changed, _INTERVAL)

    def _text(self, status: CameraStatus) -> tuple[str, str]:
        """Return the title and the text of a placard."""
        if status.state is CameraState.OFF:
            return "Camera is off", f"{self._name}: {status.reason}" if status.reason else self._name
        if status.state is CameraState.STARTING:
            return f"{self._name}: starting", status.reason or "The camera is being started."
        return f"{self._name}: no picture", status.reason or "The camera gives no pictures."
