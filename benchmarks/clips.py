"""What the seconds before a clip cost, whether they are there, and what a kill leaves.

    python -m benchmarks.clips --kills 50

A server plays a folder of 1280x720 JPEGs of about 90 kB at 30 frames per second, and eight viewers watch. The exit code
is 1 if a clip begins too late or misses a frame, if the memory of the seconds before is more than 1.1 times what they
have, if they cost more than 2 % of processor time, or if a kill leaves a clip that is not whole.
"""

import argparse
import contextlib
import json
import os
import random
import re
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator
from http.client import HTTPException
from itertools import pairwise
from pathlib import Path
from typing import Any

from PIL import Image
from tooling.network import free_ports

from tests.server.support.clip_files import pictures

FPS = 30
PREROLL = 5.0
VIEWERS = 8
_CONFIGURATION = """
[server]
host = "127.0.0.1"
port = {port}
state_dir = "{folder}/state"
zeroconf = false
[auth]
mode = "none"
[clips]
folder = "{folder}/clips"
max_bytes = 1000000000
[[camera]]
id = "front"
source = "files"
device = "{folder}/pictures"
fps = {fps}
always_on = true
preroll = {preroll}
"""


class Server:
    """A server process."""

    def __init__(self, folder: Path, preroll: float, fps: int = FPS) -> None:
        """Start a server that holds so many seconds and plays so many pictures a second, and wait for the first."""
        port = free_ports(0)[0]
        self.url = f"http://127.0.0.1:{port}"
        file = folder / "config.toml"
        file.write_text(_CONFIGURATION.format(port=port, folder=folder, preroll=preroll, fps=fps))
        command = [sys.executable, "-m", "pi_mjpeg_server", "run", "--config", str(file), "--log-level", "error"]
        self.process = subprocess.Popen(command)
        while self.process.poll() is None:
            with contextlib.suppress(OSError):
                if self.get("/api/state")["cameras"][0]["frames"] > 0:
                    break
            time.sleep(0.1)

    def get(self, path: str) -> Any:  # noqa: ANN401  (JSON)
        """Return the JSON at a path."""
        return json.loads(self.fetch(path))

    def fetch(self, path: str) -> bytes:
        """Return the body at a path, or at a URL of this server."""
        with urllib.request.urlopen(path if "://" in path else self.url + path, timeout=30) as answer:  # noqa: S310
            body: bytes = answer.read()
        return body

    def record(self, before: float, after: float) -> dict[str, Any]:
        """Record a clip, and return its document."""
        body = json.dumps({"before": before, "after": after}).encode()
        request = urllib.request.Request(f"{self.url}/api/cameras/front/clips", body)  # noqa: S310  (our own server)
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310
            found: dict[str, Any] = json.load(answer)
        return found

    @property
    def processor_time(self) -> float:
        """The seconds of processor time that it has taken."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self) -> None:
        """Kill it."""
        self.process.kill()
        self.process.wait()


@contextlib.contextmanager
def watched(server: Server) -> Iterator[None]:
    """Have eight viewers watch."""
    script = "import sys,urllib.request\nr=urllib.request.urlopen(sys.argv[1])\nwhile r.read(1<<20): pass"
    command = [sys.executable, "-c", script, f"{server.url}/stream"]
    viewers = [subprocess.Popen(command, stderr=subprocess.DEVNULL) for _ in range(VIEWERS)]
    try:
        yield
    finally:
        for viewer in viewers:
            viewer.kill()
            viewer.wait()


def make_pictures(folder: Path) -> None:
    """Write a second of pictures of about 90 kB."""
    folder.mkdir()
    for number in range(FPS):
        noise = Image.effect_noise((320, 180), 40).resize((1280, 720)).convert("RGB")
        noise.rotate(number).save(folder / f"{number:02}.jpg", quality=72)


def cost(folder: Path, turns: int, seconds: float) -> float:
    """Return the processor time with the seconds before, relative to that without them: the median of some turns."""
    ratios = []
    for _ in range(turns):
        used = []
        for preroll in (0.0, PREROLL):
            server = Server(folder, preroll)
            with watched(server):
                time.sleep(PREROLL + 1)
                before = server.processor_time
                time.sleep(seconds)
                used.append(server.processor_time - before)
            server.stop()
        ratios.append(used[1] / used[0])
    return statistics.median(ratios)


def begin_and_gaps(server: Server, folder: Path, count: int) -> tuple[int, int]:
    """Return how many of `count` clips reach back far enough, and how many frames they miss."""
    played = [path.read_bytes() for path in sorted((folder / "pictures").iterdir())]
    in_time = missing = 0
    for _ in range(count):
        clip = server.record(PREROLL, 0.2)
        shown = pictures(server.fetch(clip["download_url"]))
        in_time += clip["before"] >= PREROLL
        # The source gives one picture after the other, also when it is late.
        order = [played.index(each.jpeg) for each in shown]
        missing += sum((later - earlier) % FPS - 1 for earlier, later in pairwise(order))
    return in_time, missing


def memory(server: Server, folder: Path) -> float:
    """Return the memory of the seconds before, relative to seconds times rate times size."""
    held = float(re.findall(r'preroll_bytes\{camera="front"\} (\S+)', server.fetch("/metrics").decode())[0])
    size = statistics.mean(path.stat().st_size for path in (folder / "pictures").iterdir())
    return held / (PREROLL * FPS * size)


def kill(folder: Path, draws: random.Random) -> int:
    """Kill a server while it records, and return how many clips the next one has. Fails if one is not whole."""
    server = Server(folder, PREROLL)
    asked = threading.Thread(target=_record, args=(server,))
    asked.start()
    time.sleep(draws.uniform(0.1, 2.5))
    server.stop()
    asked.join()
    again = Server(folder, 0)
    try:
        clips = again.get("/api/cameras/front/clips")["clips"]
        for clip in clips:
            if len(pictures(again.fetch(clip["download_url"]))) != clip["frames"]:
                raise SystemExit(f"{clip['id']} is not whole")
        return len(clips)
    finally:
        again.stop()


def _record(server: Server) -> None:
    with contextlib.suppress(OSError, HTTPException):
        server.record(1, 1.5)


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=100)
    parser.add_argument("--kills", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=10)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_pictures(folder / "pictures")
        server = Server(folder, PREROLL)
        with watched(server):
            time.sleep(PREROLL + 1)
            share = memory(server, folder)
            in_time, missing = begin_and_gaps(server, folder, arguments.clips)
        server.stop()
        print(f"clips that begin at least {PREROLL:g} s before the request: {in_time} of {arguments.clips}")
        print(f"frames that they miss, with {VIEWERS} viewers: {missing}")
        print(f"memory, of seconds x rate x size: {share:.3f}")
        draws = random.Random(1)  # noqa: S311  (moments)
        whole = [kill(folder, draws) for _ in range(arguments.kills)]
        print(f"kills that left whole clips or none: {len(whole)} of {arguments.kills}; clips at the end: {whole[-1:]}")
        ratio = cost(folder, arguments.turns, arguments.seconds)
        print(f"processor time, of that without the seconds before: {ratio:.3f}")
    return int(in_time < arguments.clips or missing > 0 or share > 1.1 or ratio > 1.02)  # noqa: PLR2004  (the bounds)


if __name__ == "__main__":
    sys.exit(main())
