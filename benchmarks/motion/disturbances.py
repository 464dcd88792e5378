"""What changes a picture although nobody moves. Seeded."""

# ruff: noqa: D102  (the class that they override has the docstrings)

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.motion.world import HEIGHT, WIDTH, Picture, rough, soften

_ROWS = np.arange(HEIGHT, dtype=np.float32)[:, None]
_COLUMNS = np.arange(WIDTH, dtype=np.float32)[None, :]


class Disturbance:
    """Something that changes the scene (`before` the walker is painted), the light (`after`), or the picture itself."""

    def __init__(self, random: np.random.Generator, seconds: float, quiet: float) -> None:
        self.random = random
        self.seconds, self.quiet = seconds, quiet
        self.prepare()

    def prepare(self) -> None:
        """Draw what this scene has of it."""

    def before(self, light: Picture, time: float) -> Picture:  # noqa: ARG002
        """Return the scene, changed."""
        return light

    def after(self, light: Picture, time: float) -> Picture:  # noqa: ARG002
        """Return the light that reaches the camera, changed."""
        return light

    def exposure(self, time: float) -> float:  # noqa: ARG002
        """Return the camera's exposure, 1 at first."""
        return 1.0

    def on_top(self, grey: Picture, time: float) -> Picture:  # noqa: ARG002
        """Return the grey values, changed."""
        return grey


class Exposure(Disturbance):
    """The exposure hunts: steps, and damped swings around each."""

    def prepare(self) -> None:
        random = self.random
        times = np.sort(random.uniform(self.quiet, self.seconds, int(random.integers(4, 9))))
        self.steps = [(float(at), float(np.exp(random.uniform(-0.7, 0.7)))) for at in times]
        self.swing = float(random.uniform(0, 0.5))
        self.period = float(random.uniform(0.6, 2.0))
        self.lag = float(random.uniform(0.05, 1.0))

    def exposure(self, time: float) -> float:
        level, target, since = 1.0, 1.0, 0.0
        for at, value in self.steps:
            if time < at:
                break
            level = target + (level - target) * np.exp(-(at - since) / self.lag)
            target, since = value, at
        level = target + (level - target) * np.exp(-(time - since) / self.lag)
        if since:
            ringing = np.exp(-(time - since) / 1.5) * np.sin(2 * np.pi * (time - since) / self.period)
            level *= 1 + self.swing * float(ringing)
        return float(level)


class Clouds(Disturbance):
    """The sun comes and goes, and shadows of clouds move over the ground."""

    def prepare(self) -> None:
        self.scale = int(self.random.integers(150, 400))
        self.map = rough(self.random, self.scale, (HEIGHT, WIDTH * 4))
        self.depth = float(self.random.uniform(0.3, 0.75))
        self.sharp = float(self.random.uniform(1.0, 2.5))
        self.speed = float(self.random.uniform(20, 120))

    def after(self, light: Picture, time: float) -> Picture:
        start = int(time * self.speed) % (WIDTH * 3)
        shadow = 1 / (1 + np.exp(self.sharp * 2 * self.map[:, start : start + WIDTH]))
        grow = min(1.0, time / self.quiet)
        shaded: Picture = light * (1 - self.depth * grow * shadow)
        return shaded


class Flicker(Disturbance):
    """Lamps flicker at twice the mains frequency while the sensor reads row after row."""

    def prepare(self) -> None:
        self.bands = float(self.random.uniform(0.7, 5))
        self.depth = float(self.random.uniform(0.03, 0.25))
        self.roll = float(self.random.uniform(0.05, 3))
        self.lamp = np.clip(0.6 + 0.5 * rough(self.random, 300), 0.1, 1)

    def after(self, light: Picture, time: float) -> Picture:
        phase = 2 * np.pi * (self.bands * _ROWS / HEIGHT + self.roll * time)
        banded: Picture = light * (1 + self.depth * np.sin(phase) * self.lamp)
        return banded


class Leaves(Disturbance):
    """A tree or a bush sways in the wind, which comes in gusts."""

    def prepare(self) -> None:
        random = self.random
        self.width, self.height = int(random.integers(80, 260)), int(random.integers(60, 200))
        self.left, self.top = int(random.integers(0, WIDTH - self.width)), int(random.integers(0, HEIGHT - self.height))
        margin = 12
        shape = (self.height + 2 * margin, self.width + 2 * margin)
        leaves = rough(random, int(random.integers(3, 9)), shape)
        self.tone = 0.16 * np.exp(0.6 * leaves)
        self.cover = np.clip(2 * rough(random, int(random.integers(5, 12)), shape) + 1, 0, 1)
        fade = np.minimum(np.arange(self.height)[:, None], np.arange(self.height)[::-1, None])
        fade2 = np.minimum(np.arange(self.width)[None, :], np.arange(self.width)[None, ::-1])
        self.edge = np.clip(np.minimum(fade, fade2) / 15, 0, 1)
        self.margin = margin
        self.phase = 2 * np.pi * rough(random, 40, shape)[: self.height, : self.width]
        self.reach = float(random.uniform(1.5, 7))
        self.rate = float(random.uniform(0.3, 1.2))
        self.gust = float(random.uniform(0.05, 0.2))

    def before(self, light: Picture, time: float) -> Picture:
        gust = 0.5 + 0.5 * np.sin(2 * np.pi * self.gust * time)
        sway = self.reach * gust * np.sin(2 * np.pi * self.rate * time + 0.5 * self.phase)
        bob = 0.5 * self.reach * gust * np.sin(2 * np.pi * 1.3 * self.rate * time + self.phase)
        rows = np.clip(np.arange(self.height)[:, None] + self.margin + bob, 0, self.tone.shape[0] - 1).astype(int)
        columns = np.clip(np.arange(self.width)[None, :] + self.margin + sway, 0, self.tone.shape[1] - 1).astype(int)
        cover = self.cover[rows, columns] * self.edge
        light = light.copy()
        part = light[self.top : self.top + self.height, self.left : self.left + self.width]
        light[self.top : self.top + self.height, self.left : self.left + self.width] = (
            part * (1 - cover) + self.tone[rows, columns] * cover
        )
        return light


class Rain(Disturbance):
    """Streaks of rain, a few of them close to the camera."""

    def prepare(self) -> None:
        self.drops = int(self.random.integers(20, 250))
        self.gain = float(self.random.uniform(8, 40))

    def on_top(self, grey: Picture, time: float) -> Picture:
        if time < self.quiet / 3:
            return grey
        grey = grey.copy()
        random = self.random
        for _ in range(self.drops):
            near = random.random() ** 6
            length, width = int(8 + 70 * near), 1 + int(3 * near)
            x, y = int(random.integers(0, WIDTH - width)), int(random.integers(-length, HEIGHT))
            grey[max(0, y) : max(0, y + length), x : x + width] += self.gain * random.uniform(0.3, 1)
        return grey


class Shaking(Disturbance):
    """The wind shakes the camera's mast."""

    def prepare(self) -> None:
        self.reach = float(self.random.uniform(0.5, 8))
        self.rates = self.random.uniform(0.3, 4, 4)
        self.phases = self.random.uniform(0, 6.3, 4)

    def after(self, light: Picture, time: float) -> Picture:
        gust = max(0.0, float(np.sin(2 * np.pi * 0.07 * time))) + 0.15
        waves = np.sin(2 * np.pi * self.rates * time + self.phases)
        x, y = self.reach * gust * (waves[0] + 0.4 * waves[1]), 0.6 * self.reach * gust * (waves[2] + 0.4 * waves[3])
        return _moved(light, float(x), float(y), 1.0)


class Infrared(Disturbance):
    """The camera switches to infrared at dusk and back: other tones, the beam of its lamp, and the exposure settles."""

    def prepare(self) -> None:
        self.at = self.quiet + float(self.random.uniform(2, 10))
        self.back = self.at + float(self.random.uniform(8, 20))
        self.tones = np.clip(np.exp(0.8 * rough(self.random, 40)), 0.2, 4)
        across = (_COLUMNS / WIDTH - 0.5) ** 2 + (_ROWS / HEIGHT - 0.5) ** 2
        self.beam = np.exp(-3 * across)
        self.lag = float(self.random.uniform(0.2, 1.0))

    def after(self, light: Picture, time: float) -> Picture:
        return light * self.tones * self.beam if self.at <= time < self.back else light

    def exposure(self, time: float) -> float:
        settle = 1.0
        for at, jump in ((self.at, 1.2), (self.back, -1.0)):
            if time >= at:
                settle *= float(np.exp(jump * np.exp(-(time - at) / self.lag)))
        return settle

    def on_top(self, grey: Picture, time: float) -> Picture:
        return grey * 0.1 if self.at - 0.25 <= time < self.at + 0.15 else grey


class Focus(Disturbance):
    """The autofocus hunts: blur, and the picture breathes."""

    def prepare(self) -> None:
        self.times = np.sort(self.random.uniform(self.quiet, self.seconds - 3, int(self.random.integers(2, 6))))
        self.blur = float(self.random.uniform(2, 9))
        self.breath = float(self.random.uniform(0, 0.025))

    def after(self, light: Picture, time: float) -> Picture:
        amount = sum(float(np.exp(-(((time - at - 1) / 0.5) ** 2))) for at in self.times)
        if amount < 0.02:  # noqa: PLR2004
            return light
        return soften(_moved(light, 0, 0, 1 + self.breath * amount), self.blur * amount)


class Insects(Disturbance):
    """Insects fly past the lens, lit by the infrared lamp: bright, blurred, and fast."""

    def prepare(self) -> None:
        self.flights = [
            (
                float(self.random.uniform(self.quiet, self.seconds)),
                self.random.uniform(0, 1, 2) * (WIDTH, HEIGHT),
                _direction(self.random) * float(self.random.uniform(500, 1800)),
                float(self.random.uniform(4, 22)),
            )
            for _ in range(int(self.random.integers(5, 25)))
        ]

    def on_top(self, grey: Picture, time: float) -> Picture:
        for at, place, speed, radius in self.flights:
            x, y = place + speed * (time - at) + 12 * np.sin(25 * time + np.arange(2))
            if abs(time - at) < 1 and abs(x - WIDTH / 2) < WIDTH and abs(y - HEIGHT / 2) < HEIGHT:
                distance = (_COLUMNS - x) ** 2 + (_ROWS - y) ** 2
                grey = grey + 90 * np.exp(-distance / (2 * radius**2))
        return grey


class Headlights(Disturbance):
    """Lights of cars outside the picture sweep over it, and the exposure reacts."""

    def prepare(self) -> None:
        self.passes = [
            (float(self.random.uniform(self.quiet, self.seconds)), float(self.random.uniform(150, 500)),
             float(self.random.uniform(60, 160)), float(self.random.uniform(0.2, 0.8)) * HEIGHT,
             float(self.random.uniform(0.5, 3)), int(self.random.choice((-1, 1))))
            for _ in range(int(self.random.integers(2, 5)))
        ]  # fmt: skip

    def after(self, light: Picture, time: float) -> Picture:
        for at, speed, radius, y, power, direction in self.passes:
            x = WIDTH / 2 + direction * speed * (time - at)
            if -3 * radius < x < WIDTH + 3 * radius:
                distance = (_COLUMNS - x) ** 2 + ((_ROWS - y) * 1.5) ** 2
                light = light * (1 + power * np.exp(-distance / (2 * radius**2)))
        return light

    def exposure(self, time: float) -> float:
        reaction = 1.0
        for at, speed, _, _, power, _ in self.passes:
            reaction *= 1 - 0.12 * power * float(np.exp(-(((time - at - 0.3) * speed / WIDTH) ** 2) * 4))
        return reaction


def _direction(random: np.random.Generator) -> NDArray[np.float64]:
    angle = random.uniform(0, 2 * np.pi)
    return np.array((np.cos(angle), np.sin(angle)))


def _moved(light: Picture, x: float, y: float, zoom: float) -> Picture:
    """Return a picture shifted by pixels and enlarged around its centre."""
    scale = 1 / zoom
    left, top = (1 - scale) * WIDTH / 2 - x, (1 - scale) * HEIGHT / 2 - y
    image = Image.fromarray(np.pad(light, 16, mode="edge"))
    box = (left + 16, top + 16, left + 16 + WIDTH * scale, top + 16 + HEIGHT * scale)
    return np.asarray(image.resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR, box=box), np.float32)


DISTURBANCES: dict[str, Callable[[np.random.Generator, float, float], Disturbance]] = {
    "exposure": Exposure,
    "clouds": Clouds,
    "flicker": Flicker,
    "leaves": Leaves,
    "rain": Rain,
    "shaking": Shaking,
    "infrared": Infrared,
    "focus": Focus,
    "insects": Insects,
    "headlights": Headlights,
}
