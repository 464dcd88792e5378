"""Drawn pictures of a yard, and of what moves in it."""

import io
import random
from collections.abc import Callable, Iterable

from pi_mjpeg_server.media.jpeg import with_orientation
from pi_mjpeg_server.motion.detector import Look, MotionDetector
from PIL import Image, ImageDraw

SIZE = (320, 180)
FPS = 5
LEARNED = 15
"""Looks after which a detector knows the yard."""

Box = tuple[float, float, float, float]


def yard(seed: int = 1, size: tuple[int, int] = SIZE) -> Image.Image:
    """Return a picture with things and texture in it."""
    chance = random.Random(seed)  # noqa: S311  (no secret)
    texture = Image.frombytes("L", (size[0] // 4, size[1] // 4), chance.randbytes((size[0] // 4) * (size[1] // 4)))
    picture = texture.point([105 + grey // 12 for grey in range(256)]).resize(size, Image.Resampling.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for _ in range(8):
        left, top = chance.randint(0, size[0] - 45), chance.randint(0, size[1] - 35)
        pen.rectangle((left, top, left + chance.randint(10, 45), top + chance.randint(10, 35)), chance.randint(50, 200))
    return picture


def noisy(picture: Image.Image, seed: int) -> Image.Image:
    """Return the picture with the noise of a sensor, of about four grey values."""
    width, height = picture.size
    noise = random.Random(seed).randbytes(width * height)  # noqa: S311
    return Image.blend(picture, Image.frombytes("L", picture.size, noise), 0.06)


def jpeg(picture: Image.Image, orientation: int = 1) -> bytes:
    """Return a JPEG."""
    buffer = io.BytesIO()
    picture.convert("RGB").save(buffer, "JPEG", quality=85)
    return with_orientation(buffer.getvalue(), orientation)


def with_person(picture: Image.Image, x: float, y: float, height: float = 30, grey: int = 20) -> Image.Image:
    """Return the picture with a person whose middle is at x, y, in pixels."""
    picture = picture.copy()
    half = height / 6
    ImageDraw.Draw(picture).rectangle((x - half, y - height / 2, x + half, y + height / 2), grey)
    return picture


def look_at(
    detector: MotionDetector, pictures: Iterable[Image.Image], start: int = 0, orientation: int = 1
) -> list[Look]:
    """Show pictures to a detector, five a second, the first of them at look `start`."""
    return [
        detector.look(jpeg(noisy(picture, start + index), orientation), 100 + (start + index) / FPS)
        for index, picture in enumerate(pictures)
    ]


def walk(picture: Image.Image, looks: int = 20, paint: Callable[..., Image.Image] = with_person) -> list[Image.Image]:
    """Return pictures of a person who walks from left to right."""
    return [paint(picture, 50 + 6 * step, 100) for step in range(looks)]
