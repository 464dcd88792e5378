"""Who wants pictures of a camera now, and how many a second."""

import contextlib
import math
import time
from collections.abc import Callable, Iterator

from pi_mjpeg_server.camera.viewer_stats import ViewerStats


class Demand:
    """The viewers, recordings, stills and other readers of one camera, and what its viewers were sent.

    Pictures are demanded while there is one of them, and for `linger` seconds more.
    """

    def __init__(self, linger: float, on_change: Callable[[], None], *, always_on: bool) -> None:
        """Begin without any. With `always_on` there is always demand. `on_change` is called after each change."""
        self.viewers: set[ViewerStats] = set()
        self._linger = linger
        self._on_change = on_change
        self._always_on = always_on
        self._shown = 0
        self._recordings = 0
        self._watch_rates: list[float] = []
        self._lingers_until = 0.0
        self._frames_sent_before = 0
        self._viewer_drops_before = 0

    @property
    def is_shown(self) -> bool:
        """Whether anybody gets the pictures that are drawn while the camera gives none."""
        return self._shown > 0

    @property
    def until(self) -> float:
        """The time, on the monotonic clock, until which pictures are demanded."""
        return math.inf if self._shown or self._watch_rates or self._always_on else self._lingers_until

    @property
    def rate_limit(self) -> float | None:
        """How many pictures a second are enough, or None for the usual rate."""
        is_limited = self._watch_rates and not self.viewers and not self._recordings
        return max(self._watch_rates) if is_limited else None

    @property
    def frames_sent(self) -> int:
        """Frames sent to all viewers, those who have left included."""
        return self._frames_sent_before + sum(viewer.send_rate.count for viewer in self.viewers)

    @property
    def viewer_drops(self) -> int:
        """Frames that viewers were not sent, those who have left included."""
        return self._viewer_drops_before + sum(viewer.drops for viewer in self.viewers)

    @contextlib.contextmanager
    def pictures(self) -> Iterator[None]:
        """Demand pictures, also drawn ones, inside the `with` block."""
        self._shown += 1
        self._on_change()
        try:
            yield
        finally:
            self._shown -= 1
            self._left()

    @contextlib.contextmanager
    def viewing(self, viewer: ViewerStats) -> Iterator[None]:
        """Count `viewer` as watching inside the `with` block."""
        self.viewers.add(viewer)
        try:
            with self.pictures():
                yield
        finally:
            self.viewers.discard(viewer)
            self._frames_sent_before += viewer.send_rate.count
            self._viewer_drops_before += viewer.drops
            self._on_change()

    @contextlib.contextmanager
    def recording(self) -> Iterator[None]:
        """Demand pictures at the full rate inside the `with` block."""
        self._recordings += 1
        try:
            with self.pictures():
                yield
        finally:
            self._recordings -= 1
            self._on_change()

    @contextlib.contextmanager
    def watching(self, fps: float) -> Iterator[None]:
        """Demand pictures, inside the `with` block, for a reader of frames that is no viewer.

        While there is no viewer, the source may give as few as `fps` pictures a second. Nothing is drawn for this
        reader while there are none.
        """
        self._watch_rates.append(fps)
        self._on_change()
        try:
            yield
        finally:
            self._watch_rates.remove(fps)
            self._left()

    def _left(self) -> None:
        self._lingers_until = time.monotonic() + self._linger
        self._on_change()
