"""Chooses the mode of an image sensor: its widest view in which the requested size and frame rate are possible.

A sensor has a few modes, each with its own size, highest frame rate, and crop of the pixel array. Picamera2 chooses by
size alone, and many a small mode shows only the middle of the view.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_LOGGER = logging.getLogger(__name__)

_RATE_TOLERANCE = 0.99
"""A mode of 29.9 pictures a second is one for 30."""
_SAME_SIZE = 0.98
"""A picture that is enlarged by less is as sharp: a mode of 2028 pixels is one for 2048."""
_SAME_VIEW = 0.98
"""A view that is narrower than the widest by less than this factor is as good as the widest."""
_PAIR, _RECTANGLE = 2, 4

_known: dict[str, tuple[SensorMode, ...]] = {}
"""The modes by camera: a sensor has the same ones as long as the process runs."""

Size = tuple[int, int]


@dataclass(frozen=True, slots=True)
class SensorMode:
    """One mode. `size` is in pixels, `fps` the highest frame rate, `crop` (x, y, width, height) in the pixel array."""

    size: Size
    fps: float
    crop: tuple[int, int, int, int]
    bit_depth: int

    def view(self, size: Size) -> Size:
        """Return width and height, in the pixel array, of what a picture of this size shows: as much as its shape."""
        _, _, width, height = self.crop
        aspect = size[0] / size[1]
        return min(width, round(height * aspect)), min(height, round(width / aspect))


def parse_modes(raw: Sequence[Mapping[str, Any]]) -> tuple[SensorMode, ...]:
    """Return the modes in `Picamera2.sensor_modes`, but for what is no complete mode: a USB camera has only formats."""
    return tuple(mode for mode in map(_parsed, raw) if mode is not None)


def choose_mode(modes: Sequence[SensorMode], size: Size, fps: float) -> SensorMode | None:
    """Return the mode with the widest view that reaches `size` and `fps`, or None if there are no modes.

    Where no mode reaches both, the size goes before the rate and the rate before the view: a picture is not enlarged
    if it can be helped. Of several with the same view it is the smallest, which takes the least power and memory, and
    of those the one with most bits.
    """

    def preference(mode: SensorMode) -> tuple[float, ...]:
        width, height = mode.view(size)
        pixels = mode.size[0] * mode.size[1]
        return (
            _reached_size(mode, size),
            min(1.0, mode.fps / (fps * _RATE_TOLERANCE)),
            width * height,
            mode.crop[2] * mode.crop[3],
            -pixels,
            mode.bit_depth,
        )

    return max(modes, key=preference, default=None)


def find_mode(modes: Sequence[SensorMode], sensor_size: Size, fps: float) -> SensorMode | None:
    """Return the mode of exactly this size, or None: of several, one that reaches `fps`, and that with most bits."""
    return choose_mode([mode for mode in modes if mode.size == sensor_size], sensor_size, fps)


def describe_modes(modes: Sequence[SensorMode]) -> str:
    """Return the sizes of the modes with their frame rates, for a message."""
    fastest: dict[Size, float] = {}
    for mode in modes:
        fastest[mode.size] = max(mode.fps, fastest.get(mode.size, 0.0))
    return ", ".join(f"[{width}, {height}] with {fps:g} fps" for (width, height), fps in sorted(fastest.items()))


def explain_mode(modes: Sequence[SensorMode], mode: SensorMode, size: Size, fps: float) -> list[str]:
    """Return what a picture of this size in `mode` lacks, a phrase each; nothing if it has everything."""
    lacks = []
    if _reached_size(mode, size) < 1:
        lacks.append(f"its sensor gives {mode.size[0]}x{mode.size[1]} in this mode, which is enlarged")
    if mode.fps < fps * _RATE_TOLERANCE:
        fast = [each for each in modes if each.fps >= fps * _RATE_TOLERANCE]
        others = f" (faster: {describe_modes(fast)})" if fast else ""
        lacks.append(f"its sensor gives at most {mode.fps:g} fps in this mode{others}")
    widest = max(modes, key=lambda each: each.view(size)[0])
    shown = mode.view(size)[0] / widest.view(size)[0]
    if shown < _SAME_VIEW:
        whole = [each for each in modes if each.view(size)[0] >= _SAME_VIEW * widest.view(size)[0]]
        lacks.append(
            f"in this mode of its sensor it shows only the middle {shown:.0%} of the view; "
            f"all of it is in {describe_modes(whole)}"
        )
    return lacks


def read_modes(camera: Any, key: str) -> tuple[SensorMode, ...]:  # noqa: ANN401  (a Picamera2)
    """Return the modes of a camera that is open and not configured yet; none if they cannot be read.

    Picamera2 configures the camera once for each mode, with memory for its pictures, so the modes are read once for
    each `key`. If the memory is too small for one of them, Picamera2 has those before it when it is asked again.
    """
    if key in _known:
        return _known[key]
    for attempt in range(2):
        try:
            modes = parse_modes(camera.sensor_modes)
        except Exception:
            # libcamera chooses a mode then.
            _LOGGER.debug("the sensor's modes cannot be read (attempt %d)", attempt + 1, exc_info=True)
        else:
            if attempt == 0 and modes:
                _known[key] = modes
            return modes
    return ()


def _reached_size(mode: SensorMode, size: Size) -> float:
    """Return the part of the size that is there without enlarging, to the eye; 1 at most."""
    reached = min(mode.size[0] / size[0], mode.size[1] / size[1])
    return 1.0 if reached >= _SAME_SIZE else reached


def _parsed(raw: Mapping[str, Any]) -> SensorMode | None:
    try:
        size, crop = tuple(map(int, raw["size"])), tuple(map(int, raw["crop_limits"]))
        fps, bit_depth = float(raw["fps"]), int(raw["bit_depth"])
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    if len(size) != _PAIR or len(crop) != _RECTANGLE or not math.isfinite(fps):
        return None
    if min(*size, *crop[2:], fps, bit_depth) <= 0:
        return None
    return SensorMode((size[0], size[1]), fps, (crop[0], crop[1], crop[2], crop[3]), bit_depth)
