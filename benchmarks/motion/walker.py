"""A person who walks through the picture."""

import numpy as np

from benchmarks.motion.world import GAMMA, HEIGHT, WIDTH, Camera, Picture

_HIP, _CHIN, _NECK = 0.47, 0.8, 0.84  # of the height


class Walker:
    """Walks once across the picture: 6 to 45 % of its height tall, 20 to 80 grey values from what is on its path."""

    def __init__(self, random: np.random.Generator, grey: Picture, start: float) -> None:
        self.height = float(np.exp(random.uniform(np.log(0.06), np.log(0.45)))) * HEIGHT
        self.width = self.height * float(random.uniform(0.3, 0.4))
        self.speed = self.height * float(random.uniform(0.35, 1.0))  # 0.6 to 1.7 m/s for 1.75 m
        self.direction = int(random.choice((-1, 1)))
        self.slope = float(random.uniform(-0.15, 0.15))
        self.start = start + float(random.uniform(0, 3))
        room = HEIGHT - self.height
        self.feet = self.height + float(random.uniform(0.15, 0.95)) * room
        way = self.speed * (28 - self.start)
        # A far walker does not cross the whole picture in the time of the scene.
        self.begin = float(random.uniform(0, max(1.0, WIDTH - way))) if way < WIDTH else -self.width / 2
        if self.direction < 0:
            self.begin = WIDTH - self.begin
        self.enters_at_edge = way >= WIDTH
        ends = sorted((self.begin, self.begin + self.direction * min(way, WIDTH)))
        top, bottom = int(max(0, self.feet - self.height)), int(min(HEIGHT, self.feet))
        path = grey[top:bottom, int(max(0, ends[0])) : int(min(WIDTH, max(ends[1], ends[0] + 2)))]
        self.grey, self.contrast = _tone(random, path)
        self.texture = 1 + 0.06 * random.standard_normal(3)

    def paint(self, light: Picture, time: float, camera: Camera) -> tuple[Picture, bool]:
        """Return the picture with the walker, and whether most of the walker is in it."""
        if time < self.start:
            return light, False
        passed = time - self.start
        x = self.begin + self.direction * self.speed * passed
        feet = self.feet + self.slope * self.speed * passed
        alpha, box = self._shape(x, feet, passed)
        if alpha is None:
            return light, False
        left, top, right, bottom = box
        value = np.float32(max(0.0, (self.grey - camera.black) / (255 - camera.black)) ** GAMMA)
        parts = np.repeat(self.texture, (4, 5, 7))[
            np.minimum(15, (np.arange(bottom - top) * 16 // max(1, bottom - top)))
        ]
        body = value * parts.astype(np.float32)[:, None]
        painted = light.copy()
        part = painted[top:bottom, left:right]
        painted[top:bottom, left:right] = part * (1 - alpha) + body * alpha
        return painted, self.width / 2 < x < WIDTH - self.width / 2 and self.height < feet < HEIGHT

    def _shape(self, x: float, feet: float, passed: float) -> tuple[Picture | None, tuple[int, int, int, int]]:
        """Return the coverage of each pixel of a box: head, body, and legs that swing."""
        half = self.width / 2
        left, right = int(max(0, x - half - 2)), int(min(WIDTH, x + half + 3))
        top, bottom = int(max(0, feet - self.height - 1)), int(min(HEIGHT, feet + 2))
        if left >= right or top >= bottom:
            return None, (0, 0, 0, 0)
        across = (np.arange(left, right) + 0.5 - x)[None, :] / half
        along = (feet - (np.arange(top, bottom) + 0.5))[:, None] / self.height
        edge = 1.0 / half  # one pixel is soft
        swing = 0.55 * np.sin(2 * np.pi * passed * self.speed / (0.8 * self.height))
        legs = np.maximum(
            _soft(0.3 - np.abs(across - swing * (_HIP - along) * 2), edge),
            _soft(0.3 - np.abs(across + swing * (_HIP - along) * 2), edge),
        ) * (along < _HIP) * (along > 0)  # fmt: skip
        trunk = _soft(0.75 - np.abs(across), edge) * (along >= _HIP) * (along < _NECK)
        head = _soft(0.38 - np.sqrt(across**2 + ((along - 0.92) * self.height / half) ** 2), edge) * (along >= _CHIN)
        return np.maximum(np.maximum(legs, trunk), head).astype(np.float32), (left, top, right, bottom)


def _tone(random: np.random.Generator, path: Picture) -> tuple[float, float]:
    """Return grey values of a walker, and their contrast with the middle of the path.

    On nine tenths of the path the contrast is at least 20.
    """
    columns = np.median(path, axis=0)
    while True:
        contrast = float(random.uniform(20, 80))
        tone = float(np.median(columns)) + contrast * float(random.choice((-1, 1)))
        if 8 <= tone <= 245 and np.mean(np.abs(columns - tone) >= 20) >= 0.9:  # noqa: PLR2004
            return tone, contrast


def _soft(inside: Picture, edge: float) -> Picture:
    soft: Picture = np.clip(inside / edge + 0.5, 0, 1)
    return soft
