"""The picture without movers, what is known of its noise, and how a new picture differs from it."""

import math
import statistics
from dataclasses import dataclass

from PIL import Image, ImageFilter

from pi_mjpeg_server.motion.arithmetic import compute, constant, gradients, mean, spread, to_bytes
from pi_mjpeg_server.motion.brightness import BRIGHTEST, LOGARITHM, UNITS_PER_GREY, Levels, by_brightness

_BLOCK, _BLOCKS = 2, 3  # pixels of a block, blocks of a median: 12 pixels of the small picture

_NOISE_FACTOR = 4.2
_MIN_NOISE, _FIRST_NOISE = 0.3, 2.0  # units
_NOISE_SHARE = 0.04  # of a new value in the mean
_DEVIATION_FACTOR = 2.5
_MAX_DEVIATION = 40.0  # units
_MIN_CONTRAST = 4.5  # grey values
_EDGE_ALLOWANCE = 0.2  # pixels
_LIGHT_ALLOWANCE = 0.1
_MAX_SHIFT = 2.0  # pixels
_MAX_PULL = 8.0  # units that one pixel may count for in a shift

_OTHER_SCENE = 0.3  # of the pixels
_MAX_JUMP = 30.0  # units of the whole picture from one look to the next
_MAX_ROUGHNESS = 6.0  # units by which places differ in this
_MOST_OF_A_PLACE = 30.0  # units of one place that count for it

# Seconds in which most of a change is learned.
_LIGHT_TIME, _STILL_TIME, _MOVING_TIME = 4.0, 3.0, 25.0
_RECENT_TIME, _DEVIATE_TIME, _FORGET_TIME = 0.6, 6.0, 30.0

_REFRESH = 5  # looks
_END_SHARE = 0.02  # a look


@dataclass(slots=True)
class Difference:
    """How a picture differs from the background, in units of the logarithm.

    `light` is the smooth part, `rest` what is left, `unseen` what was left out of it, and `threshold` the absolute rest
    that noise, edges and leaves do not reach. `jump` is by how much the light of the whole picture has changed since
    the last look. With an `is_other_scene`, the background says nothing about the picture.
    """

    light: Image.Image
    rest: Image.Image
    unseen: Image.Image
    threshold: Image.Image
    jump: float
    is_other_scene: bool


class _Structure:
    """What follows from the background, which changes slowly, so that it need not be computed for each look."""

    def __init__(self, log: Image.Image) -> None:
        self.brightness = to_bytes(log, 1)
        self.levels = Levels(self.brightness)
        self.across, self.down = gradients(log)
        products = ((self.across, self.across), (self.across, self.down), (self.down, self.down))
        self.xx, self.xy, self.yy = (_product(a, b) for a, b in products)
        self.focus = self._focus_fields()
        steep = compute(lambda of: abs(of["x"]) + abs(of["y"]), x=self.across, y=self.down)
        edges = spread(to_bytes(steep, 4), 1)
        self.edges = compute(lambda of: of["float"](of["e"]) * 0.25, e=edges)

    def _focus_fields(self) -> list[tuple[Image.Image, float]]:
        """Return what a little blur and a little zoom would add to the picture, each with its mean square."""
        (width, height), (x, y) = self.across.size, (self.across, self.down)
        blur = compute(lambda of: of["a"] + of["b"], a=gradients(x)[0], b=gradients(y)[1])
        right = Image.linear_gradient("L").transpose(Image.Transpose.ROTATE_90).resize((width, height))
        down = Image.linear_gradient("L").resize((width, height))
        zoom = compute(
            lambda of: (
                of["x"] * (of["float"](of["u"]) - 127.5) * (width / height) + of["y"] * (of["float"](of["v"]) - 127.5)
            ),
            x=x,
            y=y,
            u=right,
            v=down,
        )
        return [(field, _product(field, field)) for field in (blur, zoom)]


class Background:
    """A slow mean of the picture's logarithm, with noise per brightness and deviation per pixel.

    It has half the size of the small picture. `contrast` scales what counts as a difference; 1 is usual.
    """

    def __init__(self, grey: Image.Image, contrast: float) -> None:
        self._contrast = contrast
        self.size = grey.width // 2, grey.height // 2
        self._noise: dict[int, float] = {}
        self._jitter = 0.0
        self.restart(grey)

    def restart(self, grey: Image.Image) -> None:
        """Take a picture for the new background."""
        self._log = self._logarithm(grey)
        self._looks = 0
        self._light: list[float] = []
        self._recent = constant(self.size, 0)
        self._deviation = constant(self.size, 0)
        # Where the range ended lately: 1, and less with each look since.
        self._ended = compute(lambda of: of["float"](of["l"] >= BRIGHTEST), l=self._log)
        self._refresh()

    def _refresh(self) -> None:
        self._structure = _Structure(self._log)
        noise = by_brightness(self._noise if self._looks else {}, _FIRST_NOISE)
        factor, least = _NOISE_FACTOR * max(0.5, self._contrast), _MIN_CONTRAST * self._contrast
        table = [max(factor * sigma, least * units) for sigma, units in zip(noise, UNITS_PER_GREY, strict=True)]
        self._least = self._structure.brightness.point(table, "F")

    def _logarithm(self, grey: Image.Image) -> Image.Image:
        # Half the size, each pixel from 4 x 4 with the middle ones counting most, takes the grain out of the noise and
        # leaves what is as large as the smallest walker.
        return grey.point(LOGARITHM, "F").resize(self.size, Image.Resampling.BILINEAR)

    def compare(self, grey: Image.Image) -> Difference:
        """Return how a picture differs."""
        log = self._logarithm(grey)
        structure = self._structure
        raw = compute(lambda of: of["a"] - of["b"], a=log, b=self._log)
        tones = {level: (tone - 128) / 4 for level, tone in structure.levels.tones(to_bytes(raw, 4, 128)).items()}
        tone = structure.brightness.point(by_brightness(tones, 0.0), "F")
        plain = compute(lambda of: of["d"] - of["t"], d=raw, t=tone)
        smooth = _smooth(plain)
        light = compute(lambda of: of["t"] + of["s"], t=tone, s=smooth)
        # What is darker than expected where the picture is at its brightest, or brighter where the picture was lately,
        # is only the end of the range.
        rest = compute(
            lambda of: of["min"](
                of["max"](of["d"] - of["s"], of["float"](of["l"] < BRIGHTEST) * -1000.0),
                of["float"](of["e"] <= 0.0) * 1000.0,
            ),
            d=plain,
            s=smooth,
            l=log,
            e=self._ended,
        )
        # The background learns it all the same, or it would be a difference once this is forgotten.
        unseen = compute(lambda of: of["max"](of["d"] - of["s"] - of["r"], 0.0), d=plain, s=smooth, r=rest)
        self._ended = compute(
            lambda of: of["max"](of["float"](of["l"] >= BRIGHTEST), of["e"] - _END_SHARE), l=log, e=self._ended
        )
        rest = self._without_shift(self._without_bands(rest))
        jump, roughness = self._light_change(light)
        allowance = _EDGE_ALLOWANCE + self._jitter
        threshold = compute(
            lambda of: of["max"](of["n"], of["v"] * _DEVIATION_FACTOR) + of["e"] * allowance,
            n=self._least,
            v=self._deviation,
            e=structure.edges,
        )
        changed = mean(compute(lambda of: of["float"](abs(of["r"]) > of["t"]), r=rest, t=threshold))
        is_other = changed > _OTHER_SCENE or jump > _MAX_JUMP or roughness > _MAX_ROUGHNESS
        threshold = compute(
            lambda of: of["t"] + (abs(of["l"]) + jump) * _LIGHT_ALLOWANCE,
            t=threshold,
            l=light,
        )
        return Difference(light, rest, unseen, threshold, jump, is_other)

    def _light_change(self, light: Image.Image) -> tuple[float, float]:
        """Return how much the light has changed since the last look: on the whole, and how much places differ."""
        places = [float(value) for value in memoryview(light.resize((16, 9), Image.Resampling.BOX).tobytes()).cast("f")]
        steps = [now - then for now, then in zip(places, self._light, strict=True)] if self._light else [0.0]
        self._light = places
        whole = statistics.median(steps)
        # Somebody large who is near changes few places, however much.
        return abs(whole), statistics.fmean(min(abs(step - whole), _MOST_OF_A_PLACE) for step in steps)

    def _without_bands(self, rest: Image.Image) -> Image.Image:
        """Take away what whole rows have in common: a lamp flickers while a sensor reads row after row."""
        limit = 2 * max(self._noise.values(), default=_FIRST_NOISE)
        clipped = compute(lambda of: of["min"](of["max"](of["r"], -limit), limit), r=rest)
        rows = clipped.resize((4, rest.height), Image.Resampling.BOX).resize(rest.size, Image.Resampling.BILINEAR)
        return compute(lambda of: of["r"] - of["b"], r=rest, b=rows)

    def _without_shift(self, rest: Image.Image) -> Image.Image:
        """Take away what a shift of the whole picture (least squares, Lucas and Kanade) or a new focus explains."""
        it = self._structure
        clipped = _clipped(rest)
        xr, yr = _product(it.across, clipped), _product(it.down, clipped)
        determinant = it.xx * it.yy - it.xy * it.xy
        if determinant < 1e-3 * (it.xx + it.yy + 1e-3) ** 2:
            return rest  # a picture without edges in both directions does not show a shift
        x = max(-_MAX_SHIFT, min(_MAX_SHIFT, (xr * it.yy - yr * it.xy) / determinant))
        y = max(-_MAX_SHIFT, min(_MAX_SHIFT, (yr * it.xx - xr * it.xy) / determinant))
        rest = compute(lambda of: of["r"] - of["x"] * x - of["y"] * y, r=rest, x=it.across, y=it.down)
        self._jitter += 0.1 * (math.hypot(x, y) - self._jitter)
        for field, square in it.focus:
            amount = _product(field, _clipped(rest)) / (square + 1e-6)
            rest = compute(lambda of, amount=amount: of["r"] - of["f"] * amount, r=rest, f=field)
        return rest

    def learn(self, found: Difference, seconds: float) -> None:
        """Move towards the picture that was compared, `seconds` after the one before it."""
        self._measure_noise(found.rest)
        self._looks += 1
        first = 1 / self._looks  # the first looks count equally
        still, moving = (max(first, _share(seconds, time)) for time in (_STILL_TIME, _MOVING_TIME))
        recent, more, less = (max(first, _share(seconds, time)) for time in (_RECENT_TIME, _DEVIATE_TIME, _FORGET_TIME))
        light = _share(seconds, _LIGHT_TIME)
        # A pixel that is as it was lately belongs to the background, for example of a car that was parked.
        self._log = compute(
            lambda of: (
                of["b"]
                + of["l"] * light
                + (of["r"] + of["u"])
                * (of["float"](abs(of["r"] - of["q"]) < of["t"] * 0.3) * (still - moving) + moving)
            ),
            b=self._log,
            l=found.light,
            r=found.rest,
            u=found.unseen,
            q=self._recent,
            t=found.threshold,
        )
        self._recent = compute(lambda of: of["q"] + (of["r"] - of["q"]) * recent, q=self._recent, r=found.rest)
        change = compute(lambda of: of["min"](abs(of["r"]), _MAX_DEVIATION) - of["v"], r=found.rest, v=self._deviation)
        self._deviation = compute(
            lambda of: of["v"] + of["max"](of["c"] * more, of["c"] * less),
            v=self._deviation,
            c=change,
        )
        if self._looks % _REFRESH == 1:
            self._refresh()

    def _measure_noise(self, rest: Image.Image) -> None:
        absolute = compute(lambda of: of["convert"](abs(of["r"]) * 16.0, "L"), r=rest)
        share = max(1 / (self._looks + 1), _NOISE_SHARE)
        for level, value in self._structure.levels.medians(absolute).items():
            sigma = max(_MIN_NOISE, (value + 0.5) / 16 * 1.4826)  # of a normal distribution with this median
            before = self._noise.get(level, sigma)
            self._noise[level] = before + share * (sigma - before)


def _clipped(rest: Image.Image) -> Image.Image:
    return compute(lambda of: of["min"](of["max"](of["r"], -_MAX_PULL), _MAX_PULL), r=rest)


def _product(a: Image.Image, b: Image.Image) -> float:
    return mean(compute(lambda of: of["a"] * of["b"], a=a, b=b))


def _smooth(picture: Image.Image) -> Image.Image:
    """Return the smooth part: the median of neighbouring blocks, so that what is small has no part in it."""
    blocks = picture.reduce(_BLOCK).filter(ImageFilter.MedianFilter(_BLOCKS))
    covered = (0, 0, picture.width / _BLOCK, picture.height / _BLOCK)
    return blocks.resize(picture.size, Image.Resampling.BILINEAR, box=covered)


def _share(seconds: float, time: float) -> float:
    return 1 - math.exp(-seconds / time)
