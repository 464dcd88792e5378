"""When the broker hears how the server and its cameras are."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Sequence

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.state import CameraState

EVERY = 1.0
"""Seconds between two publications at the least."""
LIVE_EVERY = 10.0
"""Seconds after which a live camera's rate is looked at again: it changes by itself, each time for a message."""
IDLE_EVERY = 60.0
"""Seconds after which the temperature is looked at again when no camera is live."""


class Telemetry:
    """Has telemetry said soon after each change, and now and then without one."""

    def __init__(self, cameras: Sequence[Camera], say: Callable[[], Awaitable[None]]) -> None:
        """Watch these cameras; `say` says what is different from the last time."""
        self._cameras = cameras
        self._say = say
        self._change = asyncio.Event()

    def changed(self) -> None:
        """Take note that a camera's state, reason or viewers changed."""
        self._change.set()

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            live = any(camera.state is CameraState.LIVE for camera in self._cameras)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIVE_EVERY if live else IDLE_EVERY):
                    await self._change.wait()
            # What else changes at the same time is said with it.
            await asyncio.sleep(EVERY)
            self._change.clear()
            await self._say()
