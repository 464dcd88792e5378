"""The state of a camera, and the facts that explain it."""

import time
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self


class CameraState(StrEnum):
    """What a camera does now."""

    IDLE = "idle"
    STARTING = "starting"
    LIVE = "live"
    FAILING = "failing"
    STUCK = "stuck"
    OFF = "off"

    @property
    def is_available(self) -> bool:
        """Whether pictures can be had. An idle camera can be started, so it is available; one that is off is not."""
        return self in {CameraState.IDLE, CameraState.STARTING, CameraState.LIVE}


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """The state of a camera and its history. Times are seconds since 1970.

    `reason` says why there are no pictures; it is None for a camera that a person has switched off. `since` is when
    the state began, and `next_try` when a failing camera is opened again. `restarts` counts the failures after which
    the capture or the device was restarted, the failure that ends in `STUCK` included; `last_error` is the reason of
    the last one.
    """

    state: CameraState = CameraState.IDLE
    reason: str | None = None
    since: float = field(default_factory=time.time)
    next_try: float | None = None
    restarts: int = 0
    last_error: str | None = None

    def entered(self, state: CameraState, reason: str | None) -> Self:
        """Return the status in another state, or with another reason, from now on."""
        next_try = self.next_try if state is CameraState.FAILING else None
        since = self.since if state is self.state else time.time()
        return replace(self, state=state, reason=reason, since=since, next_try=next_try)

    def restarted(self) -> Self:
        """Return the status after one more restart."""
        return replace(self, restarts=self.restarts + 1)
