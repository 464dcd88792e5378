"""The picture without movers, what is known of its noise, and how a new picture differs from it."""

import math
from dataclasses import dataclass

from PIL import Image, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, constant, gradients, mean, median, spread, to_bytes

UNITS = 255.0
_BLACK = 4.0  # added before the logarithm: below it, cameras have noise only
_PER_UNIT = math.log((255 + _BLACK) / _BLACK) / UNITS
_LOGARITHM = [math.log((grey + _BLACK) / _BLACK) / _PER_UNIT for grey in range(256)]
_GREY = [_BLACK * math.exp(unit * _PER_UNIT) for unit in range(256)]  # plus _BLACK

_BINS = 8
_MASKS = [[255 if unit * _BINS // 256 == bin_ else 0 for unit in range(256)] for bin_ in range(_BINS)]
_MIN_SHARE = 0.03  # of the pixels, for a level of brightness to be judged by its own pixels

_NOISE_FACTOR = 5.0
_MIN_NOISE = 0.3  # units
_DEVIATION_FACTOR = 2.5
_MIN_CONTRAST = 6.0  # grey values
_EDGE_ALLOWANCE = 0.3  # pixels
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

    `light` is the smooth part, `rest` what is left, `threshold` the absolute rest that noise and leaves do not reach.
    """

    light: Image.Image
    rest: Image.Image
    threshold: Image.Image


class Background:
    """A slow mean of the picture, with noise per brightness and deviation per pixel."""

    def __init__(self, grey: Image.Image, contrast: float) -> None:
        self.contrast = contrast
        self._looks = 0
        self._noise = [1.0] * _BINS
        self._jitter = 0.0
        self._restart(grey.point(_LOGARITHM, "F"))

    def _restart(self, log: Image.Image) -> None:
        self._log = log
        self._looks = 0
        self._recent = constant(log.size, 0)
        self._deviation = constant(log.size, 0)

    def restart(self, grey: Image.Image) -> None:
        """Take a picture for the new background."""
        self._restart(grey.point(_LOGARITHM, "F"))

    def compare(self, grey: Image.Image) -> Difference:
        """Return how a picture differs."""
        log = grey.point(_LOGARITHM, "F")
        level = to_bytes(self._log, 1)
        masks = [level.point(table) for table in _MASKS]
        raw = compute(lambda of: of["a"] - of["b"], a=log, b=self._log)
        tone = level.point(_by_brightness(_medians(to_bytes(raw, 4, 128), masks)), "F")
        tone = compute(lambda of: (of["t"] - 128.0) * 0.25, t=tone)
        plain = compute(lambda of: of["d"] - of["t"], d=raw, t=tone)
        smooth = plain.reduce(5).filter(ImageFilter.MedianFilter(5)).resize(log.size, Image.Resampling.BILINEAR)
        rest = compute(lambda of: of["d"] - of["s"], d=plain, s=smooth)
        rest = self._without_bands(rest)
        across, down = gradients(self._log)
        rest = self._without_shift(rest, across, down)
        light = compute(lambda of: of["t"] + of["s"], t=tone, s=smooth)
        self._measure_noise(rest, masks)
        return Difference(light, rest, self._threshold(level, across, down))

    def _without_bands(self, rest: Image.Image) -> Image.Image:
        """Take away what whole rows have in common: a lamp flickers while a sensor reads row after row."""
        limit = 2 * max(self._noise)
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
        noise = _by_brightness(list(self._noise))
        factor = _NOISE_FACTOR * max(0.5, self.contrast)
        base = level.point([max(a, factor * b) for a, b in zip(floor, noise, strict=True)], "F")
        edges = compute(lambda of: of["convert"]((abs(of["x"]) + abs(of["y"])) * 4.0, "L"), x=across, y=down)
        edges = spread(edges, 1)
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
                self._noise[bin_] += rate * (sigma - self._noise[bin_])

    def learn(self, found: Difference, seconds: float) -> None:
        """Move towards the picture that was compared, `seconds` after the one before it."""
        self._looks += 1
        first = 1 / self._looks
        recent = max(first, _share(seconds, _RECENT_TIME))
        still, moving = max(first, _share(seconds, _STILL_TIME)), max(first, _share(seconds, _MOVING_TIME))
        light, learn = _share(seconds, _LIGHT_TIME), max(first, _share(seconds, _LEARN_TIME))
        forget = max(first, _share(seconds, _FORGET_TIME))
        # A pixel that is as it was lately belongs to the background, for example of a car that was parked.
        self._log = compute(
            lambda of: (
                of["b"]
                + of["l"] * light
                + of["r"] * (moving + (still - moving) * of["float"](abs(of["r"] - of["q"]) < of["t"] * 0.3))
            ),
            b=self._log,
            l=found.light,
            r=found.rest,
            q=self._recent,
            t=found.threshold,
        )
        self._recent = compute(lambda of: of["q"] + (of["r"] - of["q"]) * recent, q=self._recent, r=found.rest)
        self._deviation = compute(
            lambda of: (
                of["v"]
                + of["max"](of["min"](abs(of["r"]), 40.0) - of["v"], 0.0) * learn
                + of["min"](of["min"](abs(of["r"]), 40.0) - of["v"], 0.0) * forget
            ),
            v=self._deviation,
            r=found.rest,
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


def _by_brightness(values: list[float | None]) -> list[float]:
    """Return a table of 256 values, interpolated between the known ones of the levels of brightness."""
    width = 256 / _BINS
    known = [((bin_ + 0.5) * width, value) for bin_, value in enumerate(values) if value is not None]
    table = []
    for unit in range(256):
        before = [point for point in known if point[0] <= unit] or known[:1]
        after = [point for point in known if point[0] > unit] or known[-1:]
        (x0, y0), (x1, y1) = before[-1], after[0]
        table.append(y0 if x1 <= x0 else y0 + (y1 - y0) * (unit - x0) / (x1 - x0))
    return table
