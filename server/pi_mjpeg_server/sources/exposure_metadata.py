"""How the frames of a CSI camera were exposed, and whether the automatic exposure has settled, from their metadata."""

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
_USED = frozenset(
    {"SensorTimestamp", "ExposureTime", "AnalogueGain", "DigitalGain", "AeState", "AeLocked", "AfState", "LensPosition"}
)
_MAX_ENCODING = 16
"""Frames that are on their way through the encoder."""


class Exposure:
    """Watches one recording from its start. Picamera2 calls `before_encoding` in its own thread with each request.

    `latest` is what is used of the metadata of the last frame.
    """

    def __init__(self, camera: Any) -> None:  # noqa: ANN401  (a Picamera2)
        """Watch `camera` until its exposure has settled."""
        self.latest: Mapping[str, Any] = {}
        self._since_us: int | None = None
        self._frames = 0
        self._deadline = time.monotonic() + _MAX_SECONDS
        self._values: dict[int, float | None] = {}
        camera.pre_callback = self.before_encoding

    def before_encoding(self, request: Any) -> None:  # noqa: ANN401  (a CompletedRequest)
        """Read the metadata of a frame."""
        try:
            metadata = read_metadata(request)
            settled = says_settled(metadata)
            taken_us = int(metadata["SensorTimestamp"]) // 1000
            value = _value(metadata)
        except Exception:  # noqa: BLE001  (it would end Picamera2's thread; without metadata nothing is known)
            metadata, settled, taken_us, value = {}, True, 0, None
        self.latest = metadata
        self._values[taken_us] = value
        while len(self._values) > _MAX_ENCODING:
            del self._values[next(iter(self._values))]
        if self._since_us is None:
            self._frames += 1
            if settled or self._frames >= _MAX_FRAMES or time.monotonic() >= self._deadline:
                self._since_us = taken_us

    def is_settled(self, first_us: int | None, since_first_us: int | None) -> bool:
        """Return whether the frame with this time stamp (microseconds of the boot clock) was taken after that."""
        if self._since_us is None:
            return time.monotonic() >= self._deadline
        return first_us is None or since_first_us is None or first_us + since_first_us >= self._since_us

    def value(self, first_us: int | None, since_first_us: int | None) -> float | None:
        """Return the exposure time multiplied by the gains of the frame with this time stamp, or None."""
        if first_us is None or since_first_us is None:
            return None
        return self._values.get(first_us + since_first_us)


def read_metadata(request: Any) -> Mapping[str, Any]:  # noqa: ANN401
    """Return what is used of the metadata. `get_metadata` takes 40 times as long, because it converts all of it."""
    return {key.name: value for key, value in request.request.metadata.items() if key.name in _USED}


def says_settled(metadata: Mapping[str, Any]) -> bool:
    """Return whether the metadata of a frame say that the exposure has settled, or nothing about it."""
    if "AeState" in metadata:
        return int(metadata["AeState"]) != _SEARCHING
    return bool(metadata.get("AeLocked", True))


def _value(metadata: Mapping[str, Any]) -> float | None:
    """Return microseconds multiplied by the gains, or None if the camera does not say both."""
    if "ExposureTime" not in metadata or "AnalogueGain" not in metadata:
        return None
    gain = float(metadata["AnalogueGain"]) * float(metadata.get("DigitalGain", 1.0))
    return float(metadata["ExposureTime"]) * gain
