"""Stills at a camera's full size, for which its stream is interrupted: one for all who wait, and not too often."""

import asyncio
import contextlib
import math
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from pi_mjpeg_server.camera.errors import CameraBusyError, CameraUnavailableError
from pi_mjpeg_server.camera.still_taker import still_size
from pi_mjpeg_server.camera.supervisor import Supervisor
from pi_mjpeg_server.media.frame import Frame, Picture

MIN_DISTANCE = 3.0
"""Seconds from the end of one interruption to the next at least."""
DISTANCE_PER_GAP = 4.0
"""The same in relation to how long the interruption was: viewers have the live picture for most of the time."""
STILL_TIMEOUT = 60.0
"""Seconds after which a request is given up, whatever the camera does; a camera that hangs is noticed far sooner."""


@dataclass(frozen=True, slots=True)
class FullStill:
    """A still, which viewers never see, and for how many seconds they had no new picture because of it.

    Where a camera has no larger pictures than those of its stream, `frame` is one of them, and `gap` is 0.
    """

    frame: Frame
    gap: float


class FullStills:
    """Takes the full-size stills of one camera. All methods belong to the event loop."""

    def __init__(
        self,
        name: str,
        supervisor: Supervisor,
        *,
        warm_up: float,
        demand: Callable[[], AbstractContextManager[None]],
        still: Callable[[float], Awaitable[Frame]],
        reserve: Callable[[], Callable[[Picture], Frame]],
        raise_if_off: Callable[[], None],
    ) -> None:
        """Prepare for the camera called `name`.

        `demand` keeps it capturing and `still` returns a frame of the stream, as those of `Camera` do. `reserve` gives
        the still its place among the frames before it is taken, so that it is withdrawn with them.
        """
        self._name = name
        self._supervisor = supervisor
        self._warm_up = warm_up
        self._demand = demand
        self._still = still
        self._reserve = reserve
        self._raise_if_off = raise_if_off
        self._running: asyncio.Task[FullStill] | None = None
        self._due_at = -math.inf

    async def take(self) -> FullStill:
        """Return a still that is taken after the call. All who call until it is exposed get the same.

        Raises what `Camera.still` raises, and `CameraBusyError` if the stream was interrupted just now.
        """
        asked = time.monotonic()
        while True:
            self._raise_if_off()
            # One that has ended a moment ago may not have been forgotten yet, and would be awaited over and over.
            if self._running is None or self._running.done():
                self._raise_if_too_soon()
                self._running = asyncio.create_task(self._take(), name=f"still of {self._name}")
                self._running.add_done_callback(self._ended)
            still = await asyncio.shield(self._running)
            if still.frame.taken >= asked:
                return still

    async def stop(self) -> None:
        """Give up the still that is being taken."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)

    def _raise_if_too_soon(self) -> None:
        wait = self._due_at - time.monotonic()
        if wait > 0:
            message = (
                f"{self._name} has just taken a full-size still, which interrupts its live picture; "
                f"try again in {math.ceil(wait)} s"
            )
            raise CameraBusyError(message, wait)

    def _ended(self, task: asyncio.Task[FullStill]) -> None:
        if self._running is task:
            self._running = None
        if not task.cancelled():
            # Nobody may wait for it any more.
            task.exception()

    async def _take(self) -> FullStill:
        with self._demand():
            # The camera runs then, and its exposure has settled.
            frame = await self._still(time.monotonic())
            with self._explaining():
                if await self._supervisor.run(still_size) is None:
                    return FullStill(frame, 0.0)
                make_frame = self._reserve()
                began = time.monotonic()
                gap: float | None = None
                try:
                    async with asyncio.timeout(STILL_TIMEOUT):
                        taken = await self._supervisor.take_still(self._warm_up)
                    gap = taken.gap
                finally:
                    now = time.monotonic()
                    lost = now - began if gap is None else gap
                    self._due_at = now + max(MIN_DISTANCE, DISTANCE_PER_GAP * lost)
            self._raise_if_off()
            return FullStill(make_frame(taken.picture), taken.gap)

    @contextlib.contextmanager
    def _explaining(self) -> Iterator[None]:
        """Say in words what a source or its driver raises."""
        try:
            yield
        except Exception as error:
            # A third party's driver may raise anything.
            self._raise_if_off()
            raise CameraUnavailableError(f"no full-size still could be taken: {error}") from error
