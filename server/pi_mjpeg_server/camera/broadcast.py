"""The one fan-out of a camera's frames: the latest frame wins, and no reader has a queue.

This is the hot path. With 64 viewers at 30 frames a second, whatever is done for each viewer and frame is done 1920
times a second. So a viewer that keeps up costs one plain call per frame; no task is woken for it, and one timer
serves all viewers of the camera. `benchmarks/README.md` has the figures.
"""

import asyncio
import contextlib
import logging
import math
import time
from collections.abc import Iterator
from typing import Protocol

from pi_mjpeg_server.camera.rate import Rate
from pi_mjpeg_server.media.frame import Frame

_LOGGER = logging.getLogger(__name__)

CHECK_INTERVAL = 1.0
"""Seconds after which a subscriber is checked at the latest."""


class Subscriber(Protocol):
    """A reader that is called with each frame. Times are seconds of the monotonic clock. No call may block."""

    def frame_published(self, frame: Frame, now: float) -> None:
        """Take the frame that was published at `now`."""

    def frames_withdrawn(self) -> None:
        """Drop all frames up to now: the camera is switched off, and none may be sent or repeated any more."""

    def check(self, now: float) -> float:
        """Do what is due by `now`, and return when the next thing is due."""


class Broadcast:
    """Holds the latest frame, and gives it to two kinds of readers. Everything runs on the event loop.

    A subscriber is called with each frame. A reader that takes its time, for a still picture or a motion detector,
    waits for a frame newer than the one it has, and gets the latest. Nothing is copied.
    """

    def __init__(self, rate: Rate | None = None) -> None:
        """Start without a frame. `rate` measures the live pictures that are published, which the publisher counts."""
        self.rate = rate or Rate()
        self.max_rate = math.inf
        """How many frames a second are published, if the publisher chooses them."""
        self.latest: Frame | None = None
        self._withdrawn = -1
        self._subscribers: tuple[Subscriber, ...] = ()
        self._timer: asyncio.TimerHandle | None = None
        self._changed: asyncio.Event | None = None

    def publish(self, frame: Frame) -> None:
        """Make `frame` the latest, and give it to all."""
        self.latest = frame
        now = time.monotonic()
        for subscriber in self._subscribers:
            try:
                subscriber.frame_published(frame, now)
            except Exception:
                _LOGGER.exception("a viewer cannot be sent a frame")
        self._wake()

    def withdraw(self, reserved: int = -1) -> None:
        """Make the frames up to now unusable, because the camera is switched off, and wake all who wait.

        So are those that were not published but have a sequence number up to `reserved`.
        """
        latest = -1 if self.latest is None else self.latest.sequence
        self._withdrawn = max(self._withdrawn, latest, reserved)
        self.latest = None
        for subscriber in self._subscribers:
            try:
                subscriber.frames_withdrawn()
            except Exception:
                _LOGGER.exception("a viewer cannot be told that the camera is off")
        self._wake()

    def is_withdrawn(self, frame: Frame) -> bool:
        """Return whether `frame` must not be sent any more, neither as it is nor scaled."""
        return frame.sequence <= self._withdrawn

    @contextlib.contextmanager
    def subscribed(self, subscriber: Subscriber) -> Iterator[None]:
        """Call `subscriber` with each frame inside the `with` block, and check it once a second or more often."""
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

    async def change(self) -> None:
        """Return as soon as a frame is published or the frames are withdrawn."""
        if self._changed is None:
            self._changed = asyncio.Event()
        await self._changed.wait()

    async def newer_than(self, sequence: int) -> Frame:
        """Return the latest frame as soon as its sequence number is above `sequence`."""
        while self.latest is None or self.latest.sequence <= sequence:
            await self.change()
        return self.latest

    def _check(self) -> None:
        self._timer = None
        now = time.monotonic()
        due = now + CHECK_INTERVAL
        for subscriber in self._subscribers:
            try:
                due = min(due, subscriber.check(now))
            except Exception:
                _LOGGER.exception("a viewer cannot be checked")
        if self._subscribers:
            self.check_within(max(0.0, due - now))

    def _wake(self) -> None:
        if self._changed is not None:
            self._changed.set()
            self._changed = None
