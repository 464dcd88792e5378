"""Finds what moves in the pictures of a camera that stands still."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, spread
from pi_mjpeg_server.motion.background import Background
from pi_mjpeg_server.motion.picture import decode
from pi_mjpeg_server.motion.settings import Region

STILL, NOT_WATCHED, MOVING = 0, 1, 2
"""Values of `Look.cells`."""

_CELL = 4  # pixels
_MAX_GAP = 10.0  # seconds without a picture, after which everything may be different
_HOLD_OFF = 2.0  # seconds
_DECAY = 0.8
_UNIT = 50
_EVIDENCE = [round(_UNIT * max(0.0, min(1.0, (n * 9 / 255 - 0.7) / 2))) for n in range(256)]
_CLEAR = [255 if n >= _UNIT * 0.3 else 0 for n in range(256)]
_FADED = [round(n * _DECAY) for n in range(256)]
_CLUTTER_TIME = 10.0
_PER_BLOB = 8
_REACH = 64


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture shows.

    `area` is the fraction of the watched cells that move, `box` the rectangle around them. `cells` has one byte a cell,
    row by row: 0 still, 1 not watched, 2 moving.
    """

    moving: bool
    area: float
    box: Region | None
    columns: int
    rows: int
    cells: bytes


class MotionDetector:
    """Looks at the pictures of one camera, one after another."""

    def __init__(self, *, sensitivity: int = 50, watch: Sequence[Region] = (), ignore: Sequence[Region] = ()) -> None:
        self._watch, self._ignore = tuple(watch), tuple(ignore)
        self._contrast = 2 ** ((50 - sensitivity) / 25)
        self._background: Background | None = None
        self._size = (0, 0)
        self._taken = 0.0
        self._hold_until = 0.0
        self._watched = Image.new("L", (1, 1))
        self._tracks = Image.new("L", (1, 1))
        self._clutter = 0.02

    def look(self, jpeg: bytes, taken: float, exposure: float | None = None) -> Look:
        """Return what moves in a picture taken at `taken` (monotonic seconds).

        Raises `ValueError` for a picture that cannot be decoded, which changes nothing.
        """
        grey = decode(jpeg)
        seconds = taken - self._taken
        self._taken = taken
        background = self._background
        if background is None or grey.size != self._size or not 0 < seconds < _MAX_GAP:
            self._start(grey, taken)
            return self._nothing()
        found = background.compare(grey)
        if found.is_other_scene:
            background.restart(grey)
            self._hold_until = taken + _HOLD_OFF
        else:
            background.learn(found, seconds)
        excess = compute(
            lambda of: of["convert"]((abs(of["r"]) / of["t"] - 1.0) * 365.0, "L"), r=found.rest, t=found.threshold
        )
        return self._judge(ImageChops.darker(excess, self._watched), seconds, holds=taken < self._hold_until)

    def _judge(self, excess: Image.Image, seconds: float, *, holds: bool) -> Look:
        # Of the changed pixels among 3 x 3, one is nothing yet, and four are a sure mover.
        evidence = excess.filter(ImageFilter.BoxBlur(1)).point(_EVIDENCE)
        before = spread(self._tracks, max(1, min(8, round(seconds * 10))))
        fresh = ImageChops.subtract(evidence.point(_CLEAR), before.point(_CLEAR)).histogram()[255]
        self._clutter += min(1.0, seconds / _CLUTTER_TIME) * (fresh / _PER_BLOB - self._clutter)
        if holds:
            self._tracks = evidence
            return self._nothing()
        self._tracks = ImageChops.add(evidence, before.point(_FADED))
        enough = round(_UNIT * _chance_of(self._clutter, excess.width * excess.height))
        sure = self._tracks.point([255 if n >= enough else 0 for n in range(256)])
        self.enough=enough
        return self._report(ImageChops.darker(sure, spread(evidence.point(_CLEAR), 1)))

    def _report(self, sure: Image.Image) -> Look:
        columns, rows = sure.width // 2, sure.height // 2
        moving = spread(sure, 1).resize((columns, rows), Image.Resampling.NEAREST)
        watched = self._watched.resize((columns, rows), Image.Resampling.NEAREST)
        box = moving.getbbox()
        cells = bytes(
            NOT_WATCHED if not is_watched else MOVING if is_moving else STILL
            for is_watched, is_moving in zip(watched.tobytes(), moving.tobytes(), strict=True)
        )
        area = cells.count(MOVING) / max(1, len(cells) - cells.count(NOT_WATCHED))
        region = box and (box[0] / columns, box[1] / rows, (box[2] - box[0]) / columns, (box[3] - box[1]) / rows)
        return Look(box is not None, area, region, columns, rows, cells)

    def _nothing(self) -> Look:
        return self._report(Image.new("L", self._tracks.size))

    def _start(self, grey: Image.Image, taken: float) -> None:
        self._background = Background(grey, self._contrast)
        self._size = grey.size
        self._hold_until = taken + _HOLD_OFF
        self._tracks = Image.new("L", (grey.width // 2, grey.height // 2))
        self._watched = _mask(self._tracks.size, self._watch, self._ignore)


def _mask(size: tuple[int, int], watch: Sequence[Region], ignore: Sequence[Region]) -> Image.Image:
    """Return 255 where the picture is watched."""
    mask = Image.new("L", size, 0 if watch else 255)
    for regions, value in ((watch, 255), (ignore, 0)):
        for x, y, width, height in regions:
            left, top, right, bottom = x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1]
            mask.paste(value, (round(left), round(top), round(right), round(bottom)))
    return mask


def _chance_of(clutter: float, places: int) -> float:
    """Return the evidence that chance does not give, if `clutter` blobs a look appear anywhere in `places`."""
    near = min(0.5, max(1e-5, clutter * _REACH / places))
    looks = min(8.0, math.log(2e6 * max(0.01, clutter)) / -math.log(near))
    return max(1.6, (1 - _DECAY ** (1 + looks)) / (1 - _DECAY) * 0.98)
