"""Finds what moves in the pictures of a camera that stands still."""

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, spread
from pi_mjpeg_server.motion.background import Background, Difference
from pi_mjpeg_server.motion.picture import decode
from pi_mjpeg_server.motion.settings import Region

STILL, NOT_WATCHED, MOVING = 0, 1, 2
"""Values of `Look.cells`."""

_CELL = 4  # pixels
_MAX_GAP = 10.0  # seconds without a picture, after which everything may be different
_HOLD_OFF = 2.0  # seconds
_SCENE_CHANGE = 0.3  # of the pixels
_DECAY = 0.8
_ENOUGH = 1.6
_MOST = 2.5


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
        excess = compute(
            lambda of: of["convert"]((abs(of["r"]) / of["t"] - 1.0) * 255.0, "L"), r=found.rest, t=found.threshold
        )
        changed = excess.histogram()
        if sum(changed[1:]) > _SCENE_CHANGE * sum(changed):
            background.restart(grey)
            self._hold_until = taken + _HOLD_OFF
        else:
            background.learn(found, seconds)
        if taken < self._hold_until:
            self._tracks = Image.new("L", self._tracks.size)
            return self._nothing()
        return self._judge(ImageChops.darker(excess, self._watched), seconds)

    def _judge(self, excess: Image.Image, seconds: float) -> Look:
        half = (excess.width // 2, excess.height // 2)
        # The number of changed pixels within 5 x 5, 3 of which are nothing yet, and 7 are a sure mover.
        crowd = excess.filter(ImageFilter.BoxBlur(2)).resize(half, Image.Resampling.NEAREST)
        evidence = crowd.point([round(100 * max(0.0, min(1.0, (n * 25 / 255 - 2) / 4))) for n in range(256)])
        radius = max(1, min(8, round(seconds * 10)))
        before = spread(self._tracks, radius).point([round(n * _DECAY) for n in range(256)])
        self._tracks = ImageChops.add(evidence, before).point([min(n, round(_MOST * 100)) for n in range(256)])
        sure = self._tracks.point([255 if n >= _ENOUGH * 100 else 0 for n in range(256)])
        sure = ImageChops.darker(sure, spread(evidence.point([255 if n >= 20 else 0 for n in range(256)]), 1))
        return self._report(sure)

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
        self._watched = _mask(grey.size, self._watch, self._ignore)


def _mask(size: tuple[int, int], watch: Sequence[Region], ignore: Sequence[Region]) -> Image.Image:
    """Return 255 where the picture is watched."""
    mask = Image.new("L", size, 0 if watch else 255)
    for regions, value in ((watch, 255), (ignore, 0)):
        for x, y, width, height in regions:
            left, top, right, bottom = x * size[0], y * size[1], (x + width) * size[0], (y + height) * size[1]
            mask.paste(value, (round(left), round(top), round(right), round(bottom)))
    return mask
