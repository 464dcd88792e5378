"""Finds what moves in the pictures of a camera that stands still."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageChops, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, spread
from pi_mjpeg_server.motion.background import Background
from pi_mjpeg_server.motion.brightness import PER_UNIT
from pi_mjpeg_server.motion.fast_mover import FastMover
from pi_mjpeg_server.motion.picture import decode
from pi_mjpeg_server.motion.region_mask import mask_of
from pi_mjpeg_server.motion.settings import Region

STILL, NOT_WATCHED, MOVING = 0, 1, 2
"""Values of `Look.cells`."""
_AS_MOVING = [MOVING if value else STILL for value in range(256)]
_AS_WATCHED = [STILL if value else NOT_WATCHED for value in range(256)]

_MAX_GAP = 10.0  # seconds without a picture, after which everything may be different
_HOLD_OFF, _MAX_HOLD_OFF = 2.0, 8.0  # seconds
_SETTLED = 1.0  # units of the logarithm from one look to the next
_GAMMA = 2.2
_MAX_EXPOSURE_CHANGE = 40.0  # units of the logarithm: a factor of about 4 in light

# Evidence is counted in parts of a look that shows a mover for sure.
_LOOK = 50
_EVIDENCE = [round(_LOOK * max(0.0, min(1.0, (mean * 9 / 255 - 0.7) / 2))) for mean in range(256)]
_SURE = [255 if evidence == _LOOK else 0 for evidence in range(256)]
_CLEAR = [255 if evidence >= 0.3 * _LOOK else 0 for evidence in range(256)]
_KEPT = 0.8  # of the evidence, from one look to the next
_TWO_OF_THREE = 1.6  # looks: reached by two in a row, and by two of three
_ONE_MISSED = 0.3  # looks: among several, one may show nothing
_MOST_LOOKS = 8.0

_CLUTTER_TIME = 10.0  # seconds
_FIRST_CLUTTER = 0.02
_FIRST_BLOBS = 0.5
_ONE_WALKER = 6  # blobs
_BLOB = 8  # pixels: a blob is a square of so many in which something is new
_REACH = 64  # pixels in which the next blob counts as the same
_RARE = 2e5  # a coincidence that happens once in so many looks does no harm


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
    """Looks at the pictures of one camera, one after another.

    `sensitivity` is 1 to 100; 25 more halve the contrast that counts. Without regions in `watch` the whole picture is
    watched. Something moves if it differs from the background in two of three looks, in places that one mover can
    reach; something large can get further than its own width. Where much differs by chance, in rain for example, it
    takes more looks. After a change of the whole scene nothing moves for two seconds.
    """

    def __init__(self, *, sensitivity: int = 50, watch: Sequence[Region] = (), ignore: Sequence[Region] = ()) -> None:
        self._watch, self._ignore = tuple(watch), tuple(ignore)
        self._contrast = 2.0 ** ((50 - sensitivity) / 25)
        self._background: Background | None = None
        self._picture_size = (0, 0)
        self._taken = self._changed = self._hold_until = 0.0
        self._clutter = _FIRST_CLUTTER
        self._watched = self._counted = self._nothing = self._tracks = Image.new("L", (1, 1))
        self._still = Look(moving=False, area=0.0, box=None, columns=0, rows=0, cells=b"")
        self._exposure: float | None = None
        self._fast = _fast_mover((1, 1))

    def look(self, jpeg: bytes, taken: float, exposure: float | None = None) -> Look:
        """Return what moves in a picture taken at `taken` (monotonic seconds).

        `exposure` is the camera's exposure time multiplied by its gains, in any unit, if it is known.
        Raises `ValueError` for a picture that cannot be decoded, which changes nothing.
        """
        grey = decode(jpeg)
        seconds = taken - self._taken
        self._taken = taken
        exposure_change = self._exposure_change(exposure)
        background = self._background
        if background is None or grey.size != self._picture_size or not 0 < seconds < _MAX_GAP:
            self._start(grey)
            return self._still
        found = background.compare(grey)
        if found.is_other_scene or exposure_change > _MAX_EXPOSURE_CHANGE:
            background.restart(grey)
            self._changed = taken
            self._hold_until = taken + _HOLD_OFF
        else:
            background.learn(found, seconds)
            if taken < self._hold_until and found.jump > _SETTLED:
                # The camera's exposure still settles.
                settled = max(self._hold_until, taken + _HOLD_OFF / 2)
                self._hold_until = min(settled, self._changed + _MAX_HOLD_OFF)
        excess = compute(
            lambda of: of["convert"]((abs(of["r"]) / of["t"] - 1.0) * 365.0, "L"), r=found.rest, t=found.threshold
        )
        return self._judge(ImageChops.darker(excess, self._counted), seconds)

    def _exposure_change(self, exposure: float | None) -> float:
        """Return how much the camera has changed its exposure since the last look, in units of the logarithm."""
        before, self._exposure = self._exposure, exposure
        if not before or not exposure or min(before, exposure) <= 0:
            return 0.0
        return abs(math.log(exposure / before)) / _GAMMA / PER_UNIT

    def _judge(self, excess: Image.Image, seconds: float) -> Look:
        # Of the changed pixels among 3 x 3, less than one is nothing yet, and three are a sure mover.
        evidence = excess.filter(ImageFilter.BoxBlur(1)).point(_EVIDENCE)
        before = self._tracks
        is_empty = evidence.getbbox() is None
        if self._taken > self._hold_until - _HOLD_OFF / 2:  # before, the noise is not known
            self._measure_clutter(evidence, before, seconds, is_empty=is_empty)
        if self._taken < self._hold_until:
            self._fast.pause()
            self._tracks = evidence
            return self._still
        faded = Image.blend(self._nothing, before, _KEPT)
        if is_empty:
            self._fast.pause()
            self._tracks = faded
            return self._still
        reach = max(1, min(8, round(seconds * 10)))
        self._tracks = ImageChops.add(evidence, spread(faded, reach))
        enough = round(_LOOK * self._looks_needed())
        sure = self._tracks.point([255 if track >= enough else 0 for track in range(256)])
        sure = ImageChops.lighter(sure, self._fast.add(evidence.point(_SURE), seconds))
        if sure.getbbox() is None:
            return self._still
        return self._report(ImageChops.darker(sure, spread(evidence.point(_CLEAR), 1)))

    def _measure_clutter(self, evidence: Image.Image, before: Image.Image, seconds: float, *, is_empty: bool) -> None:
        """Learn how many blobs a look appear where nothing was before: of walkers few, of rain and noise many."""
        blobs = 0.0
        if not is_empty:
            known = spread(before.point(_CLEAR), max(1, min(8, round(seconds * 10))))
            fresh = ImageChops.subtract(evidence.point(_CLEAR), known).reduce(_BLOB)
            count = float(sum(fresh.histogram()[1:]))
            # One walker who appears is no clutter yet.
            blobs = min(count, _FIRST_BLOBS + 4 * self._clutter) + max(0.0, count - _ONE_WALKER)
        self._clutter += min(1.0, seconds / _CLUTTER_TIME) * (blobs - self._clutter)

    def _looks_needed(self) -> float:
        """Return the evidence, in looks, that does not come together by chance."""
        near = min(0.5, max(1e-5, self._clutter * _REACH / (self._nothing.width * self._nothing.height)))
        repeated = min(_MOST_LOOKS, math.log(_RARE * max(0.01, self._clutter)) / -math.log(near))
        in_a_row = (1 - _KEPT ** (1 + repeated)) / (1 - _KEPT)
        return float(max(_TWO_OF_THREE, in_a_row - _ONE_MISSED))

    def _report(self, sure: Image.Image) -> Look:
        columns, rows = size = sure.width // 2, sure.height // 2
        watched = self._watched.resize(size, Image.Resampling.NEAREST)
        moving = ImageChops.darker(spread(sure, 1).resize(size, Image.Resampling.NEAREST), watched)
        cells = ImageChops.add(moving.point(_AS_MOVING), watched.point(_AS_WATCHED)).tobytes()
        area = cells.count(MOVING) / max(1, len(cells) - cells.count(NOT_WATCHED))
        box = moving.getbbox()
        region = box and (box[0] / columns, box[1] / rows, (box[2] - box[0]) / columns, (box[3] - box[1]) / rows)
        return Look(box is not None, area, region, columns, rows, cells)

    def _start(self, grey: Image.Image) -> None:
        self._background = Background(grey, self._contrast)
        self._picture_size = grey.size
        self._changed = self._taken
        self._hold_until = self._taken + _HOLD_OFF
        self._clutter = _FIRST_CLUTTER
        self._watched = mask_of(self._background.size, self._watch, self._ignore)
        self._counted = Image.new("L", self._watched.size)
        inner = (1, 1, self._watched.width - 1, self._watched.height - 1)
        self._counted.paste(self._watched.crop(inner), inner)  # at the border, the light beyond is not known
        self._nothing = self._tracks = Image.new("L", self._background.size)
        self._fast = _fast_mover(self._nothing.size)
        self._still = self._report(self._nothing)


def _fast_mover(size: tuple[int, int]) -> FastMover:
    return FastMover(size, look=_LOOK, kept=_KEPT, enough=round(_LOOK * _TWO_OF_THREE))
