"""The seconds before a trigger: this project's clips, and the films of Debian's `motion`, of one source.

    python -m benchmarks.clip_peers [--triggers 20]

A server plays 1280x720 JPEGs with their number in large stripes, at 15 frames per second, and `motion` watches its
stream with `pre_capture` set to the same five seconds. Both are asked for a recording at the same moment. What they
have recorded is decoded, and the numbers in the pictures say when the first was taken and which are missing. The moment
of the request is that at which the server got it.
"""

import argparse
import contextlib
import io
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Sequence
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw
from tooling.network import LOOPBACK, free_ports
from tooling.programs import program

from benchmarks.clips import PREROLL, Server
from tests.server.support.clip_files import pictures

FPS = 15
AFTER = 2.0
_PICTURES = 900
_BITS = 10
_STRIPE = 1280 // _BITS
_SIZE = (1280, 720)
_SMALL = (160, 90)

_MOTION = """
daemon off
setup_mode off
log_level 5
webcontrol_port {port}
webcontrol_localhost on
webcontrol_parms 1
target_dir {folder}
picture_output off
movie_output on
movie_codec mp4
movie_quality 60
framerate {fps}
width 1280
height 720
threshold 100000000
pre_capture {pre_capture}
post_capture 0
event_gap 1
text_right
netcam_url {url}/stream
"""


def make_pictures(folder: Path) -> None:
    """Write numbered pictures: stripes of black and white above noise, so that no encoder merges two of them."""
    folder.mkdir()
    noises = [Image.effect_noise((320, 180), 30).resize(_SIZE).convert("RGB") for _ in range(5)]
    for number in range(_PICTURES):
        picture = noises[number % len(noises)].copy()
        pen = ImageDraw.Draw(picture)
        for bit in range(_BITS):
            pen.rectangle((bit * _STRIPE, 0, (bit + 1) * _STRIPE, 300), "white" if number >> bit & 1 else "black")
        picture.save(folder / f"{number:04}.jpg", quality=75)


def number_of(grey: bytes) -> int:
    """Return the number in a small picture, a byte for each pixel."""
    row = grey[20 * _SMALL[0] : 21 * _SMALL[0]]
    return sum(1 << bit for bit in range(_BITS) if row[round((bit + 0.5) * _SMALL[0] / _BITS)] > 127)  # noqa: PLR2004


def numbers_of_jpegs(jpegs: Sequence[bytes]) -> list[int]:
    """Return the numbers in JPEGs."""
    return [number_of(Image.open(io.BytesIO(jpeg)).convert("L").resize(_SMALL).tobytes()) for jpeg in jpegs]


def numbers_of_film(film: Path) -> list[int]:
    """Return the numbers in the pictures of a film."""
    command: list[str | Path] = [program("ffmpeg"), "-loglevel", "error", "-i", film, "-fps_mode", "passthrough"]
    command += ["-vf", f"scale={_SMALL[0]}:{_SMALL[1]},format=gray", "-f", "rawvideo", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    size = _SMALL[0] * _SMALL[1]
    return [number_of(raw[at : at + size]) for at in range(0, len(raw), size)]


class Result:
    """What the recordings of one program have."""

    def __init__(self) -> None:
        self.before: list[float] = []
        self.missing = 0
        self.frames = 0

    def add(self, numbers: Sequence[int], asked: int) -> None:
        """Count a recording that was asked for when the picture `asked` was the newest."""
        back = (asked - numbers[0]) % _PICTURES
        self.before.append((back if back < _PICTURES // 2 else back - _PICTURES) / FPS)
        # A picture that is repeated is not missing.
        self.missing += sum(max(0, (later - earlier) % _PICTURES - 1) for earlier, later in pairwise(numbers))
        self.frames += len(numbers)

    def __str__(self) -> str:
        """Return a row of the table."""
        in_time = sum(seconds >= PREROLL for seconds in self.before)
        return (
            f"begin at least {PREROLL:g} s before: {in_time} of {len(self.before)}; seconds before: "
            f"{min(self.before):.2f} to {max(self.before):.2f}, median {statistics.median(self.before):.2f}; "
            f"pictures missing: {self.missing} of {self.frames + self.missing}"
        )


def processor_time(process: int) -> float:
    """Return the seconds of processor time of a process."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def compare(folder: Path, triggers: int) -> tuple[Result, Result]:
    """Ask both for recordings, and return what they have."""
    ours, theirs = Result(), Result()
    server = Server(folder, PREROLL, FPS)
    port = free_ports(0)[0]
    films = folder / "films"
    films.mkdir()
    configuration = folder / "motion.conf"
    configuration.write_text(
        _MOTION.format(port=port, folder=films, fps=FPS, pre_capture=round(PREROLL * FPS), url=server.url)
    )
    motion = subprocess.Popen([program("motion"), "-n", "-c", configuration], stderr=subprocess.DEVNULL)

    def act(what: str) -> None:
        with urllib.request.urlopen(f"http://{LOOPBACK}:{port}/0/action/{what}", timeout=10) as answer:
            answer.read()

    try:
        time.sleep(PREROLL + 15)
        used, began = processor_time(motion.pid), time.monotonic()
        for _ in range(triggers):
            known = set(films.iterdir())
            recorded: list[dict[str, Any]] = []
            recording = threading.Thread(target=lambda: recorded.append(server.record(PREROLL, AFTER)))  # noqa: B023
            recording.start()
            act("eventstart")
            time.sleep(AFTER)
            act("eventend")
            recording.join()
            shown = pictures(server.fetch(recorded[0]["download_url"]))
            numbers = numbers_of_jpegs([each.jpeg for each in shown])
            moment = datetime.fromisoformat(recorded[0]["time"]).timestamp()
            asked = [number for number, each in zip(numbers, shown, strict=True) if each.timestamp <= moment][-1]
            ours.add(numbers, asked)
            time.sleep(PREROLL + 4)
            (film,) = set(films.iterdir()) - known
            theirs.add(numbers_of_film(film), asked)
        share = (processor_time(motion.pid) - used) / (time.monotonic() - began)
        print(f"motion takes {share:.0%} of a processor meanwhile")
    finally:
        motion.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            motion.wait(10)
        motion.kill()
        server.stop()
    return ours, theirs


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--triggers", type=int, default=20)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "pictures")
        ours, theirs = compare(folder, arguments.triggers)
    print(f"clips:  {ours}")
    print(f"motion: {theirs}")
    return int(min(ours.before) < PREROLL or ours.missing > 0)


if __name__ == "__main__":
    sys.exit(main())
