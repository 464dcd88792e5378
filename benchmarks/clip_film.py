"""How long Home Assistant takes to make a film of a clip of 15 seconds, and how large it is.

    .cache/env-component/bin/python -m benchmarks.clip_film

The clip has 450 JPEGs of 1280x720 and about 90 kB, taken at 30 frames per second: a garden with noise in which
somebody walks, as a camera in daylight gives it, and noise alone, which no encoder can compress. The exit code is 1 if
the film of the garden takes more than 3 s of time on an idle machine, or one of them more than 50 MB.
"""

import io
import random
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from PIL import Image, ImageChops, ImageDraw

from custom_components.pi_mjpeg.clips.film import make_film

FPS = 30
SECONDS = 15
SIZE = (1280, 720)
_MAX_SECONDS = 3.0
_MAX_BYTES = 50_000_000


def garden() -> Iterator[Image.Image]:
    """Yield pictures of somebody who walks past, with the noise of a sensor."""
    chance = random.Random(1)  # noqa: S311  (a garden)
    still = Image.effect_noise((160, 90), 60).resize(SIZE, Image.Resampling.BICUBIC).convert("RGB")
    noises = [Image.effect_noise(SIZE, 2).convert("RGB") for _ in range(8)]
    for number in range(FPS * SECONDS):
        picture = ImageChops.add(still, noises[chance.randrange(len(noises))], 1, -128)
        x = number * SIZE[0] / (FPS * SECONDS)
        ImageDraw.Draw(picture).rounded_rectangle((x - 40, 300, x + 40, 600), 20, (60, 50, 70))
        yield picture


def noise() -> Iterator[Image.Image]:
    """Yield pictures that have nothing in common."""
    for _ in range(FPS * SECONDS):
        yield Image.effect_noise((SIZE[0] // 2, SIZE[1] // 2), 50).resize(SIZE).convert("RGB")


def write_clip(path: Path, pictures: Iterator[Image.Image], quality: int) -> None:
    """Write a clip of pictures as a server keeps it."""
    with path.open("wb") as file:
        file.write(b"--frame\r\n")
        for number, picture in enumerate(pictures):
            buffer = io.BytesIO()
            picture.save(buffer, "JPEG", quality=quality)
            jpeg = buffer.getvalue()
            headers = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %.6f\r\n\r\n"
            file.write(headers % (len(jpeg), number / FPS) + jpeg + b"\r\n--frame\r\n")


def main() -> int:
    """Run the benchmark and return its exit code."""
    failed = False
    with tempfile.TemporaryDirectory() as name:
        for what, pictures, quality in (("garden", garden(), 65), ("noise", noise(), 10)):
            clip, film = Path(name) / "clip", Path(name) / "film.mp4"
            write_clip(clip, pictures, quality)
            before, began = resource.getrusage(resource.RUSAGE_SELF), time.monotonic()
            make_film(clip, film)
            took, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_SELF)
            used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
            size = film.stat().st_size
            average = clip.stat().st_size / FPS / SECONDS / 1000
            print(
                f"{what}: pictures of {average:.0f} kB; film after {took:.2f} s, "
                f"{used:.2f} s of processor time, {size / 1e6:.1f} MB"
            )
            failed |= size > _MAX_BYTES or (what == "garden" and took > _MAX_SECONDS)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
