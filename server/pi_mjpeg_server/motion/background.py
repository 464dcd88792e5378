"""The picture without movers, what is known of its noise, and how a new picture differs from it."""

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise

from PIL import Image, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, constant, gradients, mean, median, spread, to_bytes

UNITS = 255.0
_BLACK = 4.0  # added before the logarithm: below it, cameras have noise only
_PER_UNIT = math.log((255 + _BLACK) / _BLACK) / UNITS
_LOGARITHM = [math.log((grey + _BLACK) / _BLACK) / _PER_UNIT for grey in range(256)]
_GREY = [_BLACK * math.exp(unit * _PER_UNIT) for unit in range(256)]  # plus _BLACK

_BOUNDS = [0, *(_LOGARITHM[grey] for grey in (8, 20, 35, 55, 80, 110, 140, 170, 200, 228)), 256]
_BINS = [(lower + upper) / 2 for lower, upper in pairwise(_BOUNDS)]
_MASKS = [[255 if lower <= unit < upper else 0 for unit in range(256)] for lower, upper in pairwise(_BOUNDS)]
_BRIGHTEST = _LOGARITHM[242]
_MIN_SHARE = 0.03  # of the pixels, for a level of brightness to be judged by its own pixels

_NOISE_FACTOR = 4.2
_MIN_NOISE = 0.3  # units
_FIRST_NOISE = 2.0
_DEVIATION_FACTOR = 2.5
_MIN_CONTRAST = 4.5  # grey values
_EDGE_ALLOWANCE = 0.3  # pixels
_LIGHT_ALLOWANCE = 0.1
_BLOCK, _BLOCKS = 5, 3
_OTHER_SCENE = 0.3  # of the pixels
_MAX_JUMP = 30.0  # units
_MAX_ROUGHNESS = 6.0
_MAX_SHIFT = 4.0  # pixels

_NOISE_TIME = 5.0  # seconds
_LIGHT_TIME = 4.0
_STILL_TIME = 3.0
_MOVING_TIME = 25.0
_RECENT_TIME = 0.6
_LEARN_TIME = 6.0
_FORGET_TIME = 30.0


@dataclass(slots=True)
class Difference:
    """How a picture differs from the background, in units of the logarithm.

    `light` is the smooth part and `detail` the rest, both as large as the picture. `rest` is the rest without its
    finest grain, at half the size, and so is `threshold`, the absolute value that noise and leaves do not reach.
    """

    light: Image.Image
    detail: Image.Image
    rest: Image.Image
    threshold: Image.Image
    masks: list[Image.Image]
    is_other_scene: bool


class Background:
    """A slow mean of the picture, with noise per brightness and deviation per pixel."""

    def __init__(self, grey: Image.Image, contrast: float) -> None:
        self.contrast = contrast
        self.half = (grey.width // 2, grey.height // 2)
        self._noise: list[float | None] = [None] * len(_BINS)
        self._worst_noise = 1.0
        self._jitter = 0.0
        self.restart(grey)

    def restart(self, grey: Image.Image) -> None:
        """Take a picture for the new background."""
        self._log = grey.point(_LOGARITHM, "F")
        self._looks = 0
        self._light: list[float] = []
        self._recent = constant(self.half, 0)
        self._deviation = constant(self.half, 0)

    def compare(self, grey: Image.Image) -> Difference:
        """Return how a picture differs."""
        log = grey.point(_LOGARITHM, "F")
        level = to_bytes(self._log, 1)
        sample = level.resize(self.half, Image.Resampling.NEAREST)
        masks = [sample.point(table) for table in _MASKS]
        raw = compute(lambda of: of["a"] - of["b"], a=log, b=self._log)
        tones = _tones(to_bytes(raw.resize(self.half, Image.Resampling.NEAREST), 4, 128), masks)
        tone = level.point(_by_brightness(tones), "F")
        plain = compute(lambda of: of["d"] - of["t"], d=raw, t=tone)
        smooth = plain.reduce(_BLOCK).filter(ImageFilter.MedianFilter(_BLOCKS)).resize(log.size, Image.Resampling.BILINEAR)
        light = compute(lambda of: of["t"] + of["s"], t=tone, s=smooth)
        # What is darker than expected where the picture is at its brightest, or brighter where the background was, is
        # only the end of the range.
        detail = compute(
            lambda of: of["min"](
                of["max"](of["d"] - of["s"], of["float"](of["l"] < _BRIGHTEST) * -1000.0),
                of["float"](of["b"] < _BRIGHTEST) * 1000.0,
            ),
            d=plain,
            s=smooth,
            l=log,
            b=self._log,
        )
        detail = self._without_bands(detail)
        across, down = gradients(self._log)
        detail = self._without_shift(detail, across, down)
        rest = detail.resize(self.half, Image.Resampling.BILINEAR)
        threshold = self._threshold(sample, across, down)
        jump, roughness = self._light_change(light)
        changed = mean(compute(lambda of: of["float"](abs(of["r"]) > of["t"]), r=rest, t=threshold))
        threshold = compute(
            lambda of: of["t"] + (abs(of["l"]) + jump) * _LIGHT_ALLOWANCE,
            t=threshold,
            l=light.resize(self.half, Image.Resampling.NEAREST),
        )
        is_other = changed > _OTHER_SCENE or jump > _MAX_JUMP or roughness > _MAX_ROUGHNESS
        return Difference(light, detail, rest, threshold, masks, is_other)

    def _light_change(self, light: Image.Image) -> tuple[float, float]:
        """Return how much the light has changed since the last look: on the whole, and how much places differ."""
        places = [float(value) for value in light.resize((16, 9), Image.Resampling.BOX).getdata()]
        steps = [now - then for now, then in zip(places, self._light, strict=True)] if self._light else [0.0]
        self._light = places
        whole = statistics.median(steps)
        return abs(whole), statistics.fmean(abs(step - whole) for step in steps)

    def _without_bands(self, rest: Image.Image) -> Image.Image:
        """Take away what whole rows have in common: a lamp flickers while a sensor reads row after row."""
        limit = 2 * self._worst_noise
        clipped = compute(lambda of: of["min"](of["max"](of["r"], -limit), limit), r=rest)
        rows = clipped.resize((4, rest.height), Image.Resampling.BOX).resize(rest.size, Image.Resampling.BILINEAR)
        return compute(lambda of: of["r"] - of["b"], r=rest, b=rows)

    def _without_shift(self, rest: Image.Image, across: Image.Image, down: Image.Image) -> Image.Image:
        """Take away what a shift of the whole picture explains (Lucas and Kanade's least squares)."""
        limit = 8.0
        clipped = compute(lambda of: of["min"](of["max"](of["r"], -limit), limit), r=rest)

        def product(a: Image.Image, b: Image.Image) -> float:
            return mean(compute(lambda of: of["a"] * of["b"], a=a, b=b))

        xx, xy, yy = product(across, across), product(across, down), product(down, down)
        xr, yr = product(across, clipped), product(down, clipped)
        determinant = xx * yy - xy * xy
        if determinant < 1e-3 * (xx + yy + 1e-3) ** 2:
            return rest
        shift_x = max(-_MAX_SHIFT, min(_MAX_SHIFT, (xr * yy - yr * xy) / determinant))
        shift_y = max(-_MAX_SHIFT, min(_MAX_SHIFT, (yr * xx - xr * xy) / determinant))
        self._jitter += 0.1 * (math.hypot(shift_x, shift_y) - self._jitter)
        return compute(lambda of: of["r"] - of["x"] * shift_x - of["y"] * shift_y, r=rest, x=across, y=down)

    def _threshold(self, level: Image.Image, across: Image.Image, down: Image.Image) -> Image.Image:
        floor = [self.contrast * _MIN_CONTRAST / (grey * _PER_UNIT) for grey in _GREY]
        noise = _by_brightness(self._noise if self._looks else [_FIRST_NOISE] * len(_BINS))
        factor = _NOISE_FACTOR * max(0.5, self.contrast)
        base = level.point([max(a, factor * b) for a, b in zip(floor, noise, strict=True)], "F")
        edges = compute(lambda of: of["convert"]((abs(of["x"]) + abs(of["y"])) * 4.0, "L"), x=across, y=down)
        edges = spread(edges.resize(self.half, Image.Resampling.BILINEAR), 1)
        allowance = (_EDGE_ALLOWANCE + self._jitter) / 4
        return compute(
            lambda of: of["max"](of["b"], of["v"] * _DEVIATION_FACTOR) + of["float"](of["e"]) * allowance,
            b=base,
            v=self._deviation,
            e=edges,
        )

    def _measure_noise(self, rest: Image.Image, masks: list[Image.Image]) -> None:
        absolute = compute(lambda of: of["convert"](abs(of["r"]) * 16.0, "L"), r=rest)
        rate = max(1 / (self._looks + 1), 0.04)
        for bin_, value in enumerate(_medians(absolute, masks)):
            if value is not None:
                sigma = max(_MIN_NOISE, (value + 0.5) / 16 * 1.4826)
                before = self._noise[bin_]
                self._noise[bin_] = sigma if before is None else before + rate * (sigma - before)
        self._worst_noise = max((value for value in self._noise if value is not None), default=1.0)

    def learn(self, found: Difference, seconds: float) -> None:
        """Move towards the picture that was compared, `seconds` after the one before it."""
        self._measure_noise(found.rest, found.masks)
        self._looks += 1
        first = 1 / self._looks
        recent = max(first, _share(seconds, _RECENT_TIME))
        still, moving = max(first, _share(seconds, _STILL_TIME)), max(first, _share(seconds, _MOVING_TIME))
        light, learn = _share(seconds, _LIGHT_TIME), max(first, _share(seconds, _LEARN_TIME))
        forget = max(first, _share(seconds, _FORGET_TIME))
        # A pixel that is as it was lately belongs to the background, for example of a car that was parked.
        rate = compute(
            lambda of: of["float"](abs(of["r"] - of["q"]) < of["t"] * 0.3) * (still - moving) + moving,
            r=found.rest,
            q=self._recent,
            t=found.threshold,
        ).resize(self._log.size, Image.Resampling.NEAREST)
        self._log = compute(
            lambda of: of["b"] + of["l"] * light + of["d"] * of["a"],
            b=self._log,
            l=found.light,
            d=found.detail,
            a=rate,
        )
        self._recent = compute(lambda of: of["q"] + (of["r"] - of["q"]) * recent, q=self._recent, r=found.rest)
        more = compute(lambda of: of["min"](abs(of["r"]), 40.0) - of["v"], r=found.rest, v=self._deviation)
        self._deviation = compute(
            lambda of: of["v"] + of["max"](of["m"], 0.0) * learn + of["min"](of["m"], 0.0) * forget,
            v=self._deviation,
            m=more,
        )


def _share(seconds: float, time: float) -> float:
    return 1 - math.exp(-seconds / time)


def _medians(values: Image.Image, masks: list[Image.Image]) -> list[float | None]:
    needed = _MIN_SHARE * values.width * values.height
    medians = []
    for mask in masks:
        histogram = values.histogram(mask)
        medians.append(median(histogram) if sum(histogram) >= needed else None)
    return medians


def _tones(values: Image.Image, masks: list[Image.Image]) -> list[float | None]:
    """Return how much brighter each level of brightness has become, in units.

    The level of one thing only, which a shadow may have fallen on, counts as little as it has places in the picture.
    """
    everywhere = median(values.histogram()) or 0.0
    tones: list[float | None] = []
    for mask, value in zip(masks, _medians(values, masks), strict=True):
        places = sum(share > 25 for share in mask.resize((8, 6), Image.Resampling.BOX).tobytes()) if value else 0
        weight = min(1.0, places / 16)
        tones.append(None if value is None else (everywhere - 128 + weight * (value - everywhere)) / 4)
    return tones if any(tone is not None for tone in tones) else [(everywhere - 128) / 4] * len(masks)


def _by_brightness(values: list[float | None]) -> list[float]:
    """Return a table of 256 values, interpolated between the known ones of the levels of brightness."""
    known = [(centre, value) for centre, value in zip(_BINS, values, strict=True) if value is not None]
    known = [(0.0, known[0][1]), *known, (256.0, known[-1][1])]
    table: list[float] = []
    for (x0, y0), (x1, y1) in pairwise(known):
        table += [y0 + (y1 - y0) * (unit - x0) / (x1 - x0) for unit in range(len(table), math.ceil(x1))]
    return table
