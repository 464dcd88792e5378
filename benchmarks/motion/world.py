"""What stands still before the camera, and the camera: light, sensor, gamma and JPEG. Seeded."""

import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Picture = NDArray[np.floating[Any]]

WIDTH, HEIGHT = 640, 360
GAMMA = 2.2


def rough(random: np.random.Generator, scale: int, shape: tuple[int, int] = (HEIGHT, WIDTH)) -> Picture:
    """Return smooth noise of mean 0 and deviation 1, whose bumps are about `scale` pixels wide."""
    height, width = shape
    small = random.standard_normal((height // scale + 3, width // scale + 3)).astype(np.float32)
    image = Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)
    values = np.asarray(image, np.float32)
    rough_values: Picture = (values - values.mean()) / (values.std() + 1e-6)
    return rough_values


def backdrop(random: np.random.Generator) -> Picture:
    """Return the reflectance (linear, 0 to 1) of a yard or a room: ground, wall, things with edges, and texture."""
    horizon = int(HEIGHT * random.uniform(0.25, 0.55))
    picture = np.empty((HEIGHT, WIDTH), np.float32)
    picture[:horizon] = random.uniform(0.15, 0.7)
    picture[horizon:] = random.uniform(0.08, 0.4)
    for _ in range(int(random.integers(6, 16))):
        width, height = int(random.integers(12, 160)), int(random.integers(12, 140))
        left, top = int(random.integers(0, WIDTH - width)), int(random.integers(0, HEIGHT - height))
        picture[top : top + height, left : left + width] = random.uniform(0.03, 0.85)
    for scale, amount in ((64, 0.15), (12, 0.08), (3, random.uniform(0.02, 0.15))):
        picture *= np.exp(amount * rough(random, scale))
    picture[horizon:] *= np.linspace(0.9, 1.1, HEIGHT - horizon, dtype=np.float32)[:, None]
    return np.clip(picture, 0.01, 0.95)


def soften(picture: Picture, radius: float) -> Picture:
    """Return a picture out of focus."""
    return np.asarray(
        Image.fromarray(picture).filter(ImageFilter.BoxBlur(0)) if radius <= 0 else _blur(picture, radius)
    )


def _blur(picture: Picture, radius: float) -> Picture:
    result = picture
    for axis in (0, 1):
        for _ in range(2):
            result = _box(result, max(1, round(radius)), axis)
    return result


def _box(picture: Picture, radius: int, axis: int) -> Picture:
    pad = [(0, 0), (0, 0)]
    pad[axis] = (radius + 1, radius)
    total = np.cumsum(np.pad(picture, pad, mode="edge"), axis=axis, dtype=np.float64)
    size = 2 * radius + 1
    upper, lower = [slice(None)] * 2, [slice(None)] * 2
    upper[axis], lower[axis] = slice(size, None), slice(None, -size)
    return ((total[tuple(upper)] - total[tuple(lower)]) / size).astype(np.float32)


@dataclass
class Camera:
    """A camera: noise of the sensor (grey values at mid grey), its grain in pixels, its black level and quality."""

    random: np.random.Generator
    noise: float = 2.0
    grain: int = 1
    quality: int = 80
    black: float = 4.0
    _bank: list[Picture] = field(default_factory=list)

    def grey(self, light: Picture) -> Picture:
        """Return the grey values (0 to 255) of a picture in linear light, without noise."""
        return self.black + (255 - self.black) * np.clip(light, 0, 1) ** np.float32(1 / GAMMA)

    def shoot(self, light: Picture) -> Picture:
        """Return the grey values of a picture in linear light, with noise."""
        if not self._bank:
            self._bank = [self._grain() for _ in range(12)]
        noise = self._bank[int(self.random.integers(len(self._bank)))]
        noise = np.roll(noise, tuple(self.random.integers(0, (HEIGHT, WIDTH))), (0, 1))
        grey = self.grey(light)
        # Shot noise grows with the root of the light, and gamma makes it larger in the dark.
        return grey + noise * self.noise * (0.6 + 0.8 * np.sqrt(np.clip(1 - grey / 255, 0, 1)))

    def _grain(self) -> Picture:
        if self.grain == 1:
            return self.random.standard_normal((HEIGHT, WIDTH), np.float32)
        return rough(self.random, self.grain)

    def encode(self, grey: Picture) -> bytes:
        """Return a JPEG of grey values, in colour as cameras send it."""
        plane = Image.fromarray(np.clip(grey, 0, 255).astype(np.uint8))
        flat = Image.new("L", plane.size, 128)
        buffer = io.BytesIO()
        Image.merge("YCbCr", (plane, flat, flat)).save(buffer, "JPEG", quality=self.quality)
        return buffer.getvalue()
