"""Whether the automatic exposure of a CSI camera has settled, from the metadata of its frames."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_FRAMES = 60
_MAX_SECONDS = 3.0
"""An exposure that has not settled by then never does: the light flickers, or a control holds it."""
_SEARCHING = 1
"""`AeState` while it adapts (libcamera 0.4 and later); earlier versions have `AeLocked`."""


class Exposure:
    """Watches one recording from its start. Picamera2 calls `before_encoding` in its own thread with each request."""

    def __init__(self, camera: Any) -> None:  # noqa: ANN401  (a Picamera2)
        """Watch `camera` until its exposure has settled."""
        self._since_us: int | None = None
        self._frames = 0
        self._deadline = time.monotonic() + _MAX_SECONDS
        camera.pre_callback = self.before_encoding

    def before_encoding(self, request: Any) -> None:  # noqa: ANN401  (a CompletedRequest)
        """Read the metadata of a frame, until they say that the exposure has settled: it takes processor time."""
        if self._since_us is not None:
            return
        self._frames += 1
        try:
            metadata: Mapping[str, Any] = request.get_metadata()
            settled = says_settled(metadata)
            taken_us = int(metadata["SensorTimestamp"]) // 1000
        except Exception:  # noqa: BLE001  (it would end Picamera2's thread; without metadata nothing is known)
            settled, taken_us = True, 0
        if settled or self._frames >= _MAX_FRAMES or time.monotonic() >= self._deadline:
            self._since_us = taken_us

    def is_settled(self, first_us: int | None, since_first_us: int | None) -> bool:
        """Return whether the frame with this time stamp (microseconds of the boot clock) was taken after that."""
        if self._since_us is None:
            return time.monotonic() >= self._deadline
        return first_us is None or since_first_us is None or first_us + since_first_us >= self._since_us


def says_settled(metadata: Mapping[str, Any]) -> bool:
    """Return whether the metadata of a frame say that the exposure has settled, or nothing about it."""
    if "AeState" in metadata:
        return int(metadata["AeState"]) != _SEARCHING
    return bool(metadata.get("AeLocked", True))
