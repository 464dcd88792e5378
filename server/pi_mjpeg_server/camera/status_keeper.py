"""The state of one camera, and how failures change it: it is tried again later, or it is stuck."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from pi_mjpeg_server.camera.abandoned_captures import AbandonedCaptures
from pi_mjpeg_server.camera.retries import Retries
from pi_mjpeg_server.camera.state import CameraState, CameraStatus
from pi_mjpeg_server.concurrency.listeners import notify

_LOGGER = logging.getLogger(__name__)


class StatusKeeper:
    """Logs each change of the state, and calls `on_change` after it."""

    def __init__(self, name: str, on_change: Callable[[], None]) -> None:
        """Start with an idle camera of that name."""
        self.status = CameraStatus()
        self.retries = Retries()
        self.abandoned = AbandonedCaptures()
        self._name = name
        self._on_change = on_change

    @property
    def state(self) -> CameraState:
        """Return the present state."""
        return self.status.state

    def enter(self, state: CameraState, reason: str | None = None) -> None:
        """Note the state, and why there is no picture."""
        old = self.status
        self.status = old.entered(state, reason)
        if (state, reason) == (old.state, old.reason):
            return
        is_expected = state.is_available or state is CameraState.OFF
        level = logging.INFO if is_expected else logging.WARNING
        _LOGGER.log(level, "%s: %s%s", self._name, state, f": {reason}" if reason else "")
        notify(self._on_change)

    def enter_if(self, present: CameraState, state: CameraState) -> None:
        """Note the state, if the present one is `present`."""
        if self.state is present:
            self.enter(state)

    def restarted(self) -> None:
        """Count a restart of the capture."""
        self.status = self.status.restarted()

    def failed(self, reason: str, delays: Sequence[float], max_threads: int, max_busy_retries: int) -> None:
        """Note a failure after which the device has to be opened again, after one of the `delays`.

        With so many driver calls that never returned, the camera is stuck instead.
        """
        self.status = replace(self.status.restarted(), last_error=reason)
        if self.is_stuck(reason, max_threads, max_busy_retries):
            return
        delay = self.retries.failed(delays, time.monotonic())
        self.status = replace(self.status, next_try=time.time() + delay)
        self.enter(CameraState.FAILING, reason)

    def is_stuck(self, reason: str, max_threads: int, max_busy_retries: int) -> bool:
        """Return whether the camera is stuck because driver calls never returned, and set the state `STUCK` then."""
        if (tries := self.abandoned.tries_in_vain(max_threads, max_busy_retries)) is None:
            return False
        self.enter(CameraState.STUCK, f"{reason}; tried {tries} times, only a restart of the service can help")
        return True
