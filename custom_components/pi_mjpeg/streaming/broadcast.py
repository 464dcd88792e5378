"""The one fan-out of a camera's frames: the latest frame wins, and no viewer has a queue.

This is the hot path. With 32 dashboards at 30 frames a second, whatever is done for each of them and each frame is done
960 times a second, on the event loop of Home Assistant. So a viewer that keeps up costs one plain call per frame; no
task is woken for it, and one timer serves all viewers of the camera. `benchmarks/README.md` has the figures.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Protocol

from ..api.frame import Frame
from ..const import LOGGER

CHECK_INTERVAL: Final = 1.0
"""Seconds after which a subscriber is checked at the latest."""


class Subscriber(Protocol):
    """A reader that is called with each frame. Times are seconds of the monotonic clock. No call may block."""

    def frame_published(self, frame: Frame, now: float) -> None:
        """Take the frame that was published at `now`."""

    def check(self, now: float) -> float:
        """Do what is due by `now`, and return when the next thing is due."""


class Broadcast:
    """Holds the latest frame, and calls all subscribers with each one. Nothing is copied."""

    def __init__(self) -> None:
        self.latest: Frame | None = None
        """The frame that may be sent, and sent again. None if there is none, or none any more."""
        self._subscribers: tuple[Subscriber, ...] = ()
        self._timer: asyncio.TimerHandle | None = None

    def publish(self, frame: Frame) -> None:
        """Make `frame` the latest, and give it to all."""
        self.latest = frame
        now = time.monotonic()
        for subscriber in self._subscribers:
            try:
                subscriber.frame_published(frame, now)
            except Exception:  # noqa: BLE001 - one viewer's error must not cost another one a frame
                LOGGER.exception("A viewer cannot be sent a frame")

    def withdraw(self) -> None:
        """Let no frame up to now be sent any more."""
        self.latest = None

    @contextmanager
    def subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        """Call `subscriber` with each frame inside the block, and check it once a second or more often."""
        self._subscribers = (*self._subscribers, subscriber)
        self.check_within(CHECK_INTERVAL)
        try:
            yield
        finally:
            self._subscribers = tuple(each for each in self._subscribers if each is not subscriber)
            if not self._subscribers and self._timer is not None:
                self._timer.cancel()
                self._timer = None

    def check_within(self, seconds: float) -> None:
        """Check all subscribers within so many seconds."""
        loop = asyncio.get_running_loop()
        when = loop.time() + seconds
        if self._timer is not None:
            if self._timer.when() <= when:
                return
            self._timer.cancel()
        self._timer = loop.call_at(when, self._check)

    def _check(self) -> None:
        self._timer = None
        now = time.monotonic()
        due = now + CHECK_INTERVAL
        for subscriber in self._subscribers:
            try:
                due = min(due, subscriber.check(now))
            except Exception:  # noqa: BLE001 - likewise
                LOGGER.exception("A viewer cannot be checked")
        if self._subscribers:
            self.check_within(max(0.0, due - now))
