"""A film of real people: vtest.avi, from Debian's package opencv-doc."""

import io
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
from PIL import Image
from tooling import cache, debian

from benchmarks.motion.scenes import FPS, Shot

_NAME = "vtest.avi"
_FILM_FPS = 10
SIZE = (768, 576)
_EVERY = _FILM_FPS // FPS


def path() -> Path:
    """Return the film's path. Debian's package has 96 MB; only the film is kept."""

    def build(into: Path) -> None:
        unpacked = into / "unpacked"
        unpacked.mkdir(parents=True)
        debian.unpack(["opencv-doc"], unpacked)
        shutil.move(next(unpacked.rglob(_NAME)), into / _NAME)
        shutil.rmtree(unpacked)

    return cache.ensure("film-vtest", "opencv-doc", build) / _NAME


def shots() -> Iterator[Shot]:
    """Yield the film at the benchmark's rate: a street with several people in each of its pictures.

    Ground truth: one of every 20 pictures was looked at by eye, and each has at least three people who walk.
    """
    film = cv2.VideoCapture(str(path()))
    index = 0
    while True:
        has_more, picture = film.read()
        if not has_more:
            return
        if index % _EVERY == 0:
            buffer = io.BytesIO()
            Image.fromarray(cv2.cvtColor(picture, cv2.COLOR_BGR2RGB)).save(buffer, "JPEG", quality=85)
            yield Shot(buffer.getvalue(), index / _FILM_FPS, 1.0, walker=True)
        index += 1
