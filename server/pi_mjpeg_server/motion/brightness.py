"""The logarithm of brightness, and what is known of each of its levels."""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from PIL import Image

from pi_mjpeg_server.motion.arithmetic import median

if TYPE_CHECKING:
    from collections.abc import Sequence

_BLACK = 4.0  # added before the logarithm: below it, cameras have noise only
PER_UNIT = math.log((255 + _BLACK) / _BLACK) / 255
"""The logarithm has units of this size, so that it is 0 to 255 as grey values are."""
LOGARITHM = [math.log((grey + _BLACK) / _BLACK) / PER_UNIT for grey in range(256)]
UNITS_PER_GREY = [1 / (_BLACK * math.exp(unit * PER_UNIT) * PER_UNIT) for unit in range(256)]
BRIGHTEST = LOGARITHM[235]
"""From here on, the range of a camera ends for some of the pixels that were averaged."""

_BOUNDS = [0, *(LOGARITHM[grey] for grey in (8, 20, 35, 55, 80, 110, 140, 170, 200, 228)), 256]
_CENTRES = [(lower + upper) / 2 for lower, upper in pairwise(_BOUNDS)]
_MASKS = [[255 if lower <= unit < upper else 0 for unit in range(256)] for lower, upper in pairwise(_BOUNDS)]
_MIN_SHARE = 0.03  # of the pixels, for a level of brightness to be judged by its own pixels
_PLACES = (8, 6)
_MANY_PLACES = 16  # of 48


class Levels:
    """Which pixels of a picture of the logarithm (mode "L") have which level of brightness."""

    def __init__(self, picture: Image.Image) -> None:
        needed = _MIN_SHARE * picture.width * picture.height
        self.masks: dict[int, Image.Image] = {}
        self._weights: dict[int, float] = {}
        for level, table in enumerate(_MASKS):
            mask = picture.point(table)
            if mask.histogram()[255] >= needed:
                self.masks[level] = mask
                shares = mask.resize(_PLACES, Image.Resampling.BOX).tobytes()
                self._weights[level] = min(1.0, sum(share > 25 for share in shares) / _MANY_PLACES)  # noqa: PLR2004  (a tenth)

    def medians(self, values: Image.Image) -> dict[int, float]:
        """Return the median of a picture of mode "L" for each level that has enough pixels."""
        return {level: median(values.histogram(mask)) for level, mask in self.masks.items()}

    def tones(self, values: Image.Image) -> dict[int, float]:
        """Return the median of each level, mixed with that of the whole picture.

        A level that is in few places of the picture counts little: it may be that of one thing, on which a shadow has
        fallen.
        """
        everywhere = median(values.histogram())
        return {
            level: everywhere + self._weights[level] * (value - everywhere)
            for level, value in self.medians(values).items()
        }


def by_brightness(values: dict[int, float], default: float) -> list[float]:
    """Return a table of 256 values, interpolated between those of the levels of brightness."""
    if not values:
        return [default] * 256
    known = [(_CENTRES[level], value) for level, value in sorted(values.items())]
    points: Sequence[tuple[float, float]] = [(0.0, known[0][1]), *known, (256.0, known[-1][1])]
    table: list[float] = []
    for (x0, y0), (x1, y1) in pairwise(points):
        step = (y1 - y0) / (x1 - x0)
        table += [y0 + step * (unit - x0) for unit in range(len(table), math.ceil(x1))]
    return table
