"""The processor time that watching one camera takes: 1280 x 720 pixels, 5 pictures a second."""

import io
import tempfile
import time
from pathlib import Path

from pi_mjpeg_server.motion.detector import MotionDetector
from PIL import Image

from benchmarks.motion import motion_program, scenes
from benchmarks.motion.scenes import FPS

_SIZE = (1280, 720)
_QUALITY = 80
_SECONDS = 30


def report(folder: Path, *, with_motion: bool) -> None:
    """Print what this project's detector takes, and what `motion` takes for the same pictures."""
    stream = _large()
    detector = MotionDetector()
    begin = time.process_time()
    for index, jpeg in enumerate(stream):
        detector.look(jpeg, 1000 + index / FPS)
    ours = (time.process_time() - begin) / (len(stream) / FPS)
    size = sum(map(len, stream)) / len(stream) / 1000
    print(f"processor time for {_SIZE[0]}x{_SIZE[1]}, {FPS} pictures of {size:.0f} kB a second: {ours:.2%} of a core")
    if with_motion:
        run = motion_program.run([stream], _SIZE, motion_program.SETTINGS[1], Path(tempfile.mkdtemp(dir=folder)))
        print(f"the same by motion: {run.load:.2%}, {run.load / ours:.1f} times as much")


def _large() -> list[bytes]:
    """Return a walker's scene, enlarged."""
    stream = []
    for shot in scenes.walkers(range(1))[0].shots():
        buffer = io.BytesIO()
        with Image.open(io.BytesIO(shot.jpeg)) as image:
            image.resize(_SIZE, Image.Resampling.BICUBIC).save(buffer, "JPEG", quality=_QUALITY)
        stream.append(buffer.getvalue())
    return stream[: _SECONDS * FPS]
