"""Scenes with the truth: walkers that have to be found, and disturbances that must not be taken for one. Seeded."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from benchmarks.motion.disturbances import DISTURBANCES, Disturbance
from benchmarks.motion.walker import Walker
from benchmarks.motion.world import HEIGHT, WIDTH, Camera, Picture, backdrop

__all__ = ["HEIGHT", "WIDTH"]

FPS = 5
QUIET = 8.0
"""Seconds at the start in which nothing happens yet, and nothing is judged."""


@dataclass(frozen=True)
class Shot:
    """One picture: its time in seconds, the camera's total exposure (relative), and whether a walker is in it."""

    jpeg: bytes
    time: float
    exposure: float
    walker: bool


@dataclass(frozen=True)
class Scene:
    """A scene of `seconds`, made anew from its seed each time it is played."""

    kind: str
    seed: int
    seconds: float
    make: Callable[[int], "Stage"] = field(repr=False)

    def shots(self) -> Iterator[Shot]:
        """Yield the pictures."""
        stage = self.make(self.seed)
        for index in range(round(self.seconds * FPS)):
            yield stage.shot(index / FPS)


class Stage:
    """A backdrop, a camera, disturbances and perhaps a walker."""

    def __init__(self, seed: int, kinds: tuple[str, ...], *, walks: bool, seconds: float) -> None:
        self.random = np.random.default_rng(seed)
        self.backdrop = backdrop(self.random)
        self.camera = Camera(
            self.random, noise=float(self.random.uniform(1.0, 4.0)), quality=int(self.random.integers(60, 92))
        )
        self.light = 1.0
        if "night" in kinds:
            self.camera.noise = float(self.random.uniform(7, 15))
            self.camera.grain = int(self.random.integers(1, 3))
            self.light = float(self.random.uniform(0.08, 0.35))
        self.disturbances: list[Disturbance] = [
            DISTURBANCES[kind](self.random, seconds, QUIET) for kind in kinds if kind in DISTURBANCES
        ]
        self.walker = Walker(self.random, self.camera.grey(self.backdrop * self.light), QUIET) if walks else None

    def shot(self, time: float) -> Shot:
        """Return the picture at a time."""
        light: Picture = self.backdrop * np.float32(self.light)
        is_there = False
        for disturbance in self.disturbances:
            light = disturbance.before(light, time)
        if self.walker is not None:
            light, is_there = self.walker.paint(light, time, self.camera)
        exposure = 1.0
        for disturbance in self.disturbances:
            light = disturbance.after(light, time)
            exposure *= disturbance.exposure(time)
        grey = self.camera.shoot(light * np.float32(exposure))
        for disturbance in self.disturbances:
            grey = disturbance.on_top(grey, time)
        return Shot(self.camera.encode(grey), time, exposure, is_there)


def _scene(kinds: tuple[str, ...], seed: int, *, walks: bool) -> Scene:
    seconds = 30.0 if walks else 45.0
    name = " ".join((*(("walker",) if walks else ("still",)), *kinds))
    # Python's hash of a text differs from run to run.
    own = seed * 1000 + sum(ord(letter) * place for place, letter in enumerate(name, 1)) % 997
    return Scene(name, own, seconds, lambda own: Stage(own, kinds, walks=walks, seconds=seconds))


POSITIVE = (
    (), (), (), ("night",), ("night",), ("exposure",), ("clouds",), ("flicker",), ("leaves",), ("rain",), ("shaking",),
    ("night", "exposure"), ("focus",),
)  # fmt: skip
NEGATIVE = (
    (), ("night",), ("exposure",), ("clouds",), ("flicker",), ("leaves",), ("rain",), ("shaking",), ("infrared",),
    ("focus",), ("insects", "night"), ("headlights", "night"), ("night", "exposure"), ("night", "flicker"),
)  # fmt: skip


def walkers(seeds: range) -> list[Scene]:
    """Return scenes with a walker each."""
    return [_scene(kinds, seed * 20 + place, walks=True) for seed in seeds for place, kinds in enumerate(POSITIVE)]


def disturbed(seeds: range) -> list[Scene]:
    """Return scenes in which nobody walks."""
    return [_scene(kinds, seed * 20 + place, walks=False) for seed in seeds for place, kinds in enumerate(NEGATIVE)]
