"""Whether a server lives for an hour in what a Pi Zero 2 has left for it, and what of its memory grows.

    sudo -E .cache/env-tests/bin/python -m benchmarks.small_memory --minutes 60

The server has 200 MB, clips in memory included, and a tenth of one core of a PC. Its camera is a folder of 1280x720
JPEGs of about 90 kB at 15 frames per second, in which something walks by for ten seconds of each minute. It detects
motion and records it. Four viewers watch, and one of them leaves and comes back every 20 seconds. Once a minute a
snapshot is kept and the state is read. It needs root.

A line is printed every two minutes. The exit code is 1 if the kernel killed the server, if viewers got less than nine
tenths of the frames, or if memory outside of clips grew by more than 4 MB from the first third to the last.
"""

import argparse
import contextlib
import json
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

from PIL import Image, ImageDraw
from tooling.errors import ScriptError
from tooling.network import LOOPBACK, free_ports
from tooling.processes import Program

from benchmarks.control_group import ControlGroup
from benchmarks.load_generator import Viewer, read

MEMORY = 200 << 20
SHARE = 0.1
FPS = 15
SIZE = (1280, 720)
VIEWERS = 4
_CYCLE, _WALK = 60, 10  # seconds: something walks by in the last of each minute
_RUN = 85 << 20
"""Bytes of /run on a Zero 2: a fifth of the 426 MB that its Linux has."""
_REPORT_INTERVAL, _VISIT = 120.0, 20.0  # seconds
_WARM_UP = 300.0  # seconds in which memory may grow
_MAX_GROWTH = 4.0  # MB
_MIN_FRAMES = 0.9
_MB = 1e6
_QUALITY = 40  # about 90 kB

_CONFIGURATION = """
[server]
host = "127.0.0.1"
port = {port}
state_dir = "{folder}/state"
[auth]
mode = "none"
[[camera]]
id = "front"
source = "files"
device = "{folder}/pictures"
size = [1280, 720]
fps = 15
record_on_motion = true
[camera.motion]
enabled = true
"""
_START = """
mkdir -p "$RUNTIME_DIRECTORY"
mount -t tmpfs -o size={size} tmpfs "$RUNTIME_DIRECTORY"
for file in {groups}; do echo $$ > "$file"; done
exec "$@"
"""


def make_pictures(folder: Path) -> None:
    """Write a minute of pictures: of a view that only has noise, then of somebody who walks through it."""
    folder.mkdir()
    view = Image.effect_noise((SIZE[0] // 4, SIZE[1] // 4), 25).resize(SIZE)
    still = [folder.parent / f"still{number}.jpg" for number in range(FPS)]
    for file in still:
        _noisy(view).save(file, quality=_QUALITY)
    for number in range(FPS * _CYCLE):
        file = folder / f"{number:04}.jpg"
        walked = number / FPS - (_CYCLE - _WALK)
        if walked < 0:
            file.hardlink_to(still[number % FPS])
            continue
        picture = view.copy()
        left = round(walked / _WALK * SIZE[0])
        ImageDraw.Draw(picture).rectangle((left, 250, left + 120, 600), fill=30)
        _noisy(picture).save(file, quality=_QUALITY)


def _noisy(picture: Image.Image) -> Image.Image:
    return Image.blend(picture, Image.effect_noise(SIZE, 60), 0.05).convert("RGB")


@dataclass
class Samples:
    """The memory of a process at some times, in MB by kind; `folder` has its clips."""

    pid: int
    folder: Path
    seconds: list[float] = field(default_factory=list)
    kinds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))

    def take(self, second: float) -> None:
        """Take a sample."""
        self.seconds.append(second)
        for kind, size in self._sizes().items():
            self.kinds[kind].append(size / _MB)

    def growth(self) -> dict[str, float]:
        """Return by how many MB each kind grew, from the median of the first third to that of the last."""
        settled = [place for place, second in enumerate(self.seconds) if second >= min(_WARM_UP, self.seconds[-1] / 4)]
        third = max(1, len(settled) // 3)
        return {
            kind: statistics.median(sizes[place] for place in settled[-third:])
            - statistics.median(sizes[place] for place in settled[:third])
            for kind, sizes in self.kinds.items()
        }

    def _sizes(self) -> dict[str, int]:
        """Return bytes by kind: what a mapping holds, and the clips."""
        sizes = dict.fromkeys(("heap", "other anonymous", "stacks", "files mapped"), 0)
        kind = ""
        for line in Path(f"/proc/{self.pid}/smaps").read_text().splitlines():
            name, _, value = line.partition(":")
            words = line.split()
            if "-" in words[0] and len(words) >= 5:  # noqa: PLR2004  (the head of a mapping has so many fields)
                path = words[5] if len(words) > 5 else ""  # noqa: PLR2004
                kind = {"[heap]": "heap", "[stack]": "stacks", "": "other anonymous"}.get(path, "files mapped")
            elif name == "Rss":
                sizes[kind] += int(value.split()[0]) * 1024
        clips = Path(f"/proc/{self.pid}/root{self.folder}/clips")
        sizes["clips"] = sum(file.stat().st_size for file in clips.glob("*")) if clips.is_dir() else 0
        return sizes


class Server:
    """The limited server, and its API."""

    def __init__(self, folder: Path, group: ControlGroup) -> None:
        """Prepare to run it in `group`, with its files in `folder`."""
        self.port = free_ports(0)[0]
        self.runtime = folder / "run"
        file = folder / "config.toml"
        file.write_text(_CONFIGURATION.format(port=self.port, folder=folder))
        groups = " ".join(f"{each}/cgroup.procs" for each in group.folders)
        start = _START.format(size=_RUN, groups=groups)
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-ec", start, "sh"]
        command += [sys.executable, "-m", "pi_mjpeg_server", "run", "--config", str(file)]
        self.program = Program("server", command, folder / "log", {"RUNTIME_DIRECTORY": str(self.runtime)})

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Run it inside the `with` block, from the moment at which it gives pictures."""
        self.program.start()
        try:
            until = time.monotonic() + 120
            while not self._gives_pictures():
                if time.monotonic() > until or not self.program.running:
                    raise ScriptError(self.program.report("gives no picture"))
                time.sleep(1)
            yield
        finally:
            self.program.stop()

    def get(self, path: str, *, post: bool = False) -> Any:  # noqa: ANN401  (JSON)
        """Return the JSON at a path."""
        request = Request(f"http://{LOOPBACK}:{self.port}{path}", data=b"" if post else None)
        with urlopen(request, timeout=60) as answer:  # noqa: S310  (our own server)
            return json.load(answer)

    def _gives_pictures(self) -> bool:
        try:
            return bool(self.get("/api/state")["cameras"][0]["frames"])
        except OSError:
            return False


def watch(server: Server, group: ControlGroup, minutes: float) -> tuple[Samples, float]:
    """Watch the server, print a line at each interval, and return the samples and the share of frames that came."""
    samples = Samples(server.program.pid, server.runtime)
    viewers = [Viewer(server.port, "/stream") for _ in range(VIEWERS)]
    frames, began = 0, time.monotonic()
    end, report_at, ask_at = began + minutes * 60, began + _REPORT_INTERVAL, began
    while (now := time.monotonic()) < end:
        read(viewers, min(_VISIT, end - now))
        frames += viewers[0].frames
        viewers.pop(0).close()
        viewers.append(Viewer(server.port, "/stream"))
        if time.monotonic() >= ask_at:
            ask_at += 60
            server.get("/api/cameras/front/snapshots", post=True)
            server.get("/api/state")
        if time.monotonic() >= report_at:
            report_at += _REPORT_INTERVAL
            samples.take(time.monotonic() - began)
            print(_line(samples, server, group), flush=True)
    frames += sum(viewer.frames for viewer in viewers)
    for viewer in viewers:
        viewer.close()
    return samples, frames / (VIEWERS * FPS * (time.monotonic() - began))


def _line(samples: Samples, server: Server, group: ControlGroup) -> str:
    process = Path(f"/proc/{server.program.pid}")
    threads, descriptors = (len(list((process / each).iterdir())) for each in ("task", "fd"))
    kinds = ", ".join(f"{kind} {sizes[-1]:.1f}" for kind, sizes in samples.kinds.items())
    return (
        f"{samples.seconds[-1] / 60:5.1f} min: {kinds}; group {(group.usage - group.page_cache) / _MB:.1f}, "
        f"{group.page_cache / _MB:.1f} of page cache, at most {group.peak / _MB:.1f} MB; "
        f"{threads} threads, {descriptors} descriptors; {server.program.processor_time:.1f} s of processor time"
    )


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=60)
    minutes: float = parser.parse_args().minutes
    with tempfile.TemporaryDirectory() as name, ControlGroup("pi_mjpeg_small_memory", MEMORY, SHARE) as group:
        folder = Path(name)
        make_pictures(folder / "pictures")
        server = Server(folder, group)
        with server.running():
            samples, share = watch(server, group, minutes)
            events = server.get("/api/cameras/front/clips")["clips"]
        print(f"frames that viewers got: {share:.1%}; clips kept at the end: {len(events)}")
        kills = group.kills
        print(f"periods without processor time left: {group.stalled_periods:.1%}; killed: {kills}")
        print((folder / "log").read_text()[-4000:])
        growth = samples.growth()
        for kind, grown in growth.items():
            print(f"{kind}: {samples.kinds[kind][-1]:.1f} MB at the end, grew by {grown:+.2f} MB")
    grown = sum(size for kind, size in growth.items() if kind != "clips")
    return int(kills > 0 or share < _MIN_FRAMES or grown > _MAX_GROWTH)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except ScriptError as error:
        sys.exit(str(error))
