"""The detectors that run in this process: this project's, OpenCV's MOG2, and the rules of two camera programs.

Each is a class with `look(shot)`, which returns whether the picture counts as motion under each of its settings.
"""

# ruff: noqa: D102  (the class that they override has the docstrings)

import io
from collections.abc import Iterable
from itertools import product

import cv2
import numpy as np
from numpy.typing import NDArray
from pi_mjpeg_server.motion.detector import MotionDetector
from PIL import Image

from benchmarks.motion.scenes import Shot

Grey = NDArray[np.uint8]


class Ours:
    """The detector of pi_mjpeg at its default sensitivity."""

    name = "pi_mjpeg"

    def __init__(self) -> None:
        self._detector = MotionDetector()

    def look(self, shot: Shot) -> dict[str, bool]:
        """Return what it says. The clock of the scene starts at 0, that of a computer does not."""
        return {"sensitivity 50": self._detector.look(shot.jpeg, 1000 + shot.time, shot.exposure).moving}


class _Rule:
    """Sees the picture before, and can be asked for two pictures in a row that count."""

    def __init__(self) -> None:
        self._before: Grey | None = None
        self._last: dict[str, bool] = {}

    def settings(self, picture: Grey) -> Iterable[tuple[str, bool]]:
        raise NotImplementedError

    def grey(self, shot: Shot) -> Grey:
        raise NotImplementedError

    def look(self, shot: Shot) -> dict[str, bool]:
        """Return what it says under each setting, for one picture and for two in a row."""
        now = dict(self.settings(self.grey(shot)))
        result = {f"{name}, one picture": value for name, value in now.items()}
        result |= {f"{name}, two pictures": value and self._last.get(name, False) for name, value in now.items()}
        self._last = now
        return result


class Rpicam(_Rule):
    """The stage motion_detect of rpicam-apps.

    A small picture is compared with the one before: a pixel has changed if the difference is more than a tenth of the
    old value plus a constant (10), and motion is a share of changed pixels (0.005).
    """

    name = "rpicam-apps"

    def grey(self, shot: Shot) -> Grey:
        return _small(shot.jpeg, (128, 96))

    def settings(self, picture: Grey) -> Iterable[tuple[str, bool]]:
        before, self._before = self._before, picture
        if before is None:
            return
        old = before.astype(np.int16)
        difference = np.abs(picture.astype(np.int16) - old)
        for constant, share in product((5, 10, 20), (0.0005, 0.001, 0.002, 0.005, 0.02)):
            yield (
                f"difference_c {constant}, threshold {share}",
                float(np.mean(difference > old / 10 + constant)) >= share,
            )


class Picamera2Example(_Rule):
    """The example of picamera2: the mean square of the difference to the picture before, in bytes, is more than 7."""

    name = "picamera2's example"

    def grey(self, shot: Shot) -> Grey:
        return _small(shot.jpeg, (320, 240))

    def settings(self, picture: Grey) -> Iterable[tuple[str, bool]]:
        before, self._before = self._before, picture
        if before is None:
            return
        # As in the example, a difference of bytes overflows, and so does its square.
        error = float(np.square(np.subtract(picture, before)).mean())
        for limit in (1, 2, 4, 7, 12, 20, 40):
            yield f"limit {limit}", error > limit


class Mog2(_Rule):
    """OpenCV's background model on a blurred picture of 320 x 180, with opening, and a limit for flashes of light."""

    name = "OpenCV MOG2"

    def __init__(self) -> None:
        super().__init__()
        self._models = {
            limit: cv2.createBackgroundSubtractorMOG2(history=300, varThreshold=limit, detectShadows=True)
            for limit in (16, 36, 80)
        }
        self._kernel = np.ones((3, 3), np.uint8)

    def grey(self, shot: Shot) -> Grey:
        return cv2.GaussianBlur(_small(shot.jpeg, (320, 180)), (5, 5), 0).astype(np.uint8)

    def settings(self, picture: Grey) -> Iterable[tuple[str, bool]]:
        for limit, model in self._models.items():
            found = (model.apply(picture) == 255).astype(np.uint8)  # noqa: PLR2004  (127 is a shadow)
            share = float(cv2.morphologyEx(found, cv2.MORPH_OPEN, self._kernel).mean())
            for least in (0.0003, 0.001, 0.003, 0.01):
                yield f"varThreshold {limit}, area {least}", least <= share < 0.5  # noqa: PLR2004


RULES = (Ours, Mog2, Rpicam, Picamera2Example)


def _small(jpeg: bytes, size: tuple[int, int]) -> Grey:
    with Image.open(io.BytesIO(jpeg)) as image:
        return np.asarray(image.convert("L").resize(size, Image.Resampling.BOX))
