"""What `hot_path.py` measures: each function measures one server, and returns figures by name, viewers and quantity."""

import asyncio
import contextlib
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tooling import environments
from tooling.network import LOOPBACK, free_ports
from tooling.processes import Program

from benchmarks.load_generator import Viewer, read
from benchmarks.peers import (
    EMULATED,
    FLOOR,
    FULL_HD,
    OURS,
    RAW,
    USTREAMER,
    WEBCAM,
    Peer,
    Served,
    Video,
    on_one_core,
    serving,
)

COST = "processor time per viewer and frame, us"
SHARE = "processor time, % of one core"
MEDIAN_AGE = "age of a frame, median, ms"
LATE_AGE = "age of a frame, 99th percentile, ms"
MEMORY = "memory, MiB"
START = "start to the first frame, s"
BUSY = "load generator ran or waited for a core, % of the time"

Figures = dict[tuple[str, int, str], float]
"""By name of the server, number of viewers and quantity."""

_START_UP = 6.0
"""Seconds before the first measurement: until then this server fills the memory of the last seconds before a clip."""

_WARM_UP = 1.0  # seconds
_REST = 3.0  # seconds after the last viewer, in which the camera stops


@dataclass(frozen=True)
class Plan:
    """How long to measure, with how many viewers, and whether to measure what takes its time."""

    seconds: float
    server_viewers: tuple[int, ...] = (1, 8, 32, 64)
    dashboards: tuple[int, ...] = (1, 8, 16, 32)
    complete: bool = True

    @classmethod
    def short(cls) -> "Plan":
        """Return a plan that takes about forty seconds, for what can be compared on a busy machine: many viewers."""
        return cls(3, (64,), (1, 32), complete=False)


def take_turn(plan: Plan) -> Figures:
    """Measure everything once."""
    figures: Figures = {}
    for peer in (OURS, USTREAMER, FLOOR) if plan.complete else (OURS, USTREAMER):
        figures |= _server(peer, WEBCAM, plan.server_viewers, plan.seconds, rest=plan.complete)
    figures |= _home_assistant(plan)
    if plan.complete:
        figures |= _emulated(plan.seconds)
        for peer in (OURS, USTREAMER):
            figures |= _renamed(_server(on_one_core(peer), FULL_HD, (4,), plan.seconds), f"{peer.name}, 1080p")
            figures |= _renamed(_server(peer, RAW, (1,), plan.seconds), f"{peer.name}, YUYV")
    return figures


def _server(peer: Peer, video: Video, counts: tuple[int, ...], seconds: float, *, rest: bool = False) -> Figures:
    figures: Figures = {}
    with _folder() as folder, serving(peer, folder, video) as served:
        with contextlib.closing(Viewer(served.port, peer.path, discards=True)) as first:
            read([first], _START_UP)
        for count in counts:
            figures |= _watch(peer.name, served.program, served.port, peer.path, count, seconds)
        if peer is OURS and rest:
            time.sleep(_REST)
            figures[peer.name, 0, MEMORY] = served.program.memory / 2**20
    return figures


def _home_assistant(plan: Plan) -> Figures:
    """Measure the component and Home Assistant's own integration, with this project's server behind them."""
    figures: Figures = {}
    with _folder() as folder, serving(OURS, folder) as upstream, _proxying(folder, upstream) as (program, port):
        for count in plan.dashboards:
            for name in ("ours", "core"):
                figures |= _watch(f"Home Assistant, {name}", program, port, f"/{name}", count, plan.seconds)
    return figures


def _emulated(seconds: float) -> Figures:
    """Measure the emulated camera: its start, what it costs to draw, and the memory at rest."""
    name = EMULATED.name
    with _folder() as folder, serving(EMULATED, folder) as served:
        # Somebody has to watch, or nothing is drawn.
        figures = _watch(name, served.program, served.port, EMULATED.path, 1, seconds)
        figures[name, 0, START] = served.started_in
        time.sleep(_REST)
        figures[name, 0, MEMORY] = served.program.memory / 2**20
    return figures


def _watch(name: str, program: Program, port: int, path: str, count: int, seconds: float) -> Figures:
    """Measure what a program needs for so many viewers. The one in the middle sees how old its frames are."""
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(contextlib.closing(Viewer(port, path, discards=number != count // 2)))
            for number in range(count)
        ]
        probe = viewers[count // 2]
        read(viewers, _WARM_UP)
        probe.ages.clear()
        probe.frames = 0
        received = [viewer.received for viewer in viewers]
        before, began = program.processor_time, time.monotonic()
        busy = read(viewers, seconds)
        used, elapsed = program.processor_time - before, time.monotonic() - began
        received = [viewer.received - earlier for viewer, earlier in zip(viewers, received, strict=True)]
    # The frames of the others have the same size on average.
    frames = probe.frames * sum(received) / max(1, received[count // 2])
    figures = {
        (name, count, COST): used / max(1, frames) * 1e6,
        (name, count, SHARE): used / elapsed * 100,
        (name, count, BUSY): busy * 100,
    }
    if len(probe.ages) > 1:
        ages = [age * 1e3 for age in probe.ages]
        figures[name, count, MEDIAN_AGE] = statistics.median(ages)
        figures[name, count, LATE_AGE] = statistics.quantiles(ages, n=100)[-1]
    return figures


@contextlib.contextmanager
def _proxying(folder: Path, upstream: Served) -> Iterator[tuple[Program, int]]:
    """Run Home Assistant's side on this machine; the value is the process and its port."""
    port = free_ports(0)[0]
    url = f"http://{LOOPBACK}:{upstream.port}/cameras/front/stream"
    python = environments.component() / "bin/python"
    command: list[str | Path] = [python, "-m", "benchmarks.home_assistant", str(port), url]
    program = Program("Home Assistant", command, folder / "home_assistant.log")
    program.start()
    try:
        asyncio.run(program.wait_until(lambda: _listens(port), 30))
        yield program, port
    finally:
        program.stop()


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError):
        Viewer(port, "/ours").close()
        return True
    return False


def _renamed(figures: Figures, name: str) -> Figures:
    return {(name, count, what): value for (_, count, what), value in figures.items()}


@contextlib.contextmanager
def _folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        yield Path(folder)
