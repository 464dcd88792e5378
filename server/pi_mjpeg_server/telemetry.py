"""When telemetry is published: soon after each change, and now and then without one."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.concurrency.events import wait_for_event

MIN_INTERVAL = 1.0
"""Seconds between two publications at least."""
LIVE_INTERVAL = 10.0
"""Seconds without a change, while a camera is live: its frame rate changes all the time, each time for a message."""
IDLE_INTERVAL = 60.0
"""Seconds without a change, while no camera is live: the temperature changes slowly."""


class Telemetry:
    """The loop that publishes telemetry."""

    def __init__(self, cameras: Sequence[Camera], publish: Callable[[], Awaitable[None]]) -> None:
        """Publish the state of `cameras` by `publish`."""
        self._cameras = cameras
        self._publish = publish
        self._changed = asyncio.Event()

    def camera_changed(self) -> None:
        """Publish soon: the state, the reason or the viewers of a camera changed."""
        self._changed.set()

    async def run(self) -> None:
        """Publish until cancelled."""
        while True:
            live = any(camera.state is CameraState.LIVE for camera in self._cameras)
            await wait_for_event(self._changed, LIVE_INTERVAL if live else IDLE_INTERVAL)
            # Further changes within this time go into the same message.
            await asyncio.sleep(MIN_INTERVAL)
            self._changed.clear()
            await self._publish()
