"""The bit rate of the Pi's hardware encoder, which has no JPEG quality.

The driver bcm2835-codec takes 25 kbit/s to 25 Mbit/s, and shares it among as many pictures a second as it is told.
"""

from collections.abc import Sequence
from itertools import pairwise

MAX_BITRATE = 25_000_000
_MIN_BITRATE = 25_000
_MIN_FPS, _MAX_FPS = 1.0, 60.0

_BITS_PER_PIXEL = (
    (1, 0.18),
    (10, 0.32),
    (20, 0.48),
    (30, 0.62),
    (50, 0.84),
    (60, 0.97),
    (70, 1.17),
    (80, 1.50),
    (85, 1.80),
    (90, 2.30),
    (95, 3.50),
    (98, 5.10),
    (100, 7.00),
)
"""What libjpeg takes for a quality: the mean of seven photographs of indoors, outdoors, faces and objects (0.13 to 0.37
megapixels, sharp to the pixel, 4:2:0, with noise of two levels in the luma). A plain one takes two thirds of it, a
detailed one a third more."""
_SOFT = 0.7
"""What the same photographs take of it at twice their width and height: as soft as those of a small lens."""


def told_fps(fps: float) -> float:
    """Return the rate that the encoder is told for pictures that come at `fps`; it shares the bits among so many."""
    return min(max(fps, _MIN_FPS), _MAX_FPS)


def bitrate(size: tuple[int, int], fps: float, quality: int) -> int:
    """Return bits per second for pictures of `size`, `fps` of them a second, of a JPEG quality from 1 to 100."""
    wanted = _interpolated(_BITS_PER_PIXEL, quality) * size[0] * size[1] * told_fps(fps)
    return int(min(max(wanted, _MIN_BITRATE), MAX_BITRATE))


def best_quality(size: tuple[int, int], fps: float) -> int:
    """Return the JPEG quality, from 1 to 100, for which the highest bit rate is enough if the pictures are soft."""
    bits_per_pixel = MAX_BITRATE / (size[0] * size[1] * told_fps(fps))
    return int(_interpolated([(bits * _SOFT, quality) for quality, bits in _BITS_PER_PIXEL], bits_per_pixel))


def _interpolated(points: Sequence[tuple[float, float]], at: float) -> float:
    """Return the value at `at` of the line through the points, and that of the first or last one beyond them."""
    if at <= points[0][0]:
        return points[0][1]
    for (x0, y0), (x1, y1) in pairwise(points):
        if at <= x1:
            return y0 + (y1 - y0) * (at - x0) / (x1 - x0)
    return points[-1][1]
