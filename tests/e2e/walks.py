"""A folder of pictures in which a drawn person walks past, for the source `files`."""

import random
from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

SIZE = (640, 360)
FPS = 10
QUIET_SECONDS = 6
WALK_SECONDS = 8


def write_walk(folder: Path, start: float = 0.0) -> None:
    """Write pictures for `FPS` a second: nobody for `QUIET_SECONDS`, then a walk from left to right, and so on.

    The walk begins `start` (0 to 1) of the way across: beyond the edge, or suddenly in the middle.
    """
    folder.mkdir()
    chance = random.Random(1)  # noqa: S311 - the same garden every time
    garden = _garden(chance)
    quiet, walk = QUIET_SECONDS * FPS, WALK_SECONDS * FPS
    for number in range(quiet + walk):
        picture = garden.copy()
        if number >= quiet:
            _draw_person(picture, start + (1 - start) * (number - quiet) / walk)
        noise = Image.effect_noise(SIZE, 6).convert("RGB")
        Image.blend(picture, noise, 0.05).save(folder / f"{number:04}.jpg", quality=85)


def _garden(chance: random.Random) -> Image.Image:
    picture = Image.new("RGB", SIZE, (120, 150, 185))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 170, SIZE[0], SIZE[1]), (95, 120, 70))
    for _ in range(400):
        x, y = chance.uniform(0, SIZE[0]), chance.uniform(175, SIZE[1])
        shade = chance.randint(-25, 25)
        pen.ellipse((x - 9, y - 3, x + 9, y + 3), (95 + shade, 120 + shade, 70 + shade))
    pen.rectangle((420, 90, 600, 230), (165, 140, 120))
    pen.rectangle((480, 150, 530, 230), (90, 60, 45))
    return picture.filter(ImageFilter.GaussianBlur(1))


def _draw_person(picture: Image.Image, progress: float) -> None:
    """Draw a person 140 pixels tall, `progress` (0 to 1) of the way across."""
    x = progress * (SIZE[0] + 80) - 40
    pen = ImageDraw.Draw(picture)
    stride = 22 * abs((progress * 20) % 2 - 1)
    for leg in (-stride, stride):
        pen.line((x, 265, x + leg, 315), (30, 30, 40), 11)
    pen.rounded_rectangle((x - 17, 205, x + 17, 270), 10, (45, 40, 60))
    pen.ellipse((x - 12, 177, x + 12, 203), (200, 160, 135))
