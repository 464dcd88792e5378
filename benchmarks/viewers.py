"""Processor time per viewer and age of frames: this server, ustreamer and Flask on the same webcam.

    python -m benchmarks.viewers

The servers take turns. In each turn one server is measured without a viewer, then with 1, 8 and 32. The table shows the
medians of the turns. The exit code is 1 if this server needs more processor time per viewer and frame than ustreamer at
8 or 32 viewers, or if its median frame is older. It is 2 if the load generator was too busy for valid results.
"""

import argparse
import contextlib
import itertools
import statistics
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.load_generator import read
from benchmarks.peers import FLASK, FPS, OURS, USTREAMER, Peer, Served, serving

COUNTS = (1, 8, 32)
WARM_UP = 2.0
MAX_BUSY = 80.0  # per cent of the time; a busier load generator may keep a server waiting

IDLE = "processor time, % of one core"
COST = "processor time per viewer and frame, us"
AGE = "age of a frame, median, ms"
LATE = "age of a frame, 95th percentile, ms"
SHARE = "smallest share of frames of a viewer, %"
BUSY = "load generator ran or waited for a core, % of the time"

Figures = dict[tuple[int, str], float]
"""The results of one turn, by number of viewers and quantity."""


def take_turn(peer: Peer, folder: Path, seconds: float) -> Figures:
    """Start a server, measure it and stop it."""
    with serving(peer, folder) as served:
        time.sleep(WARM_UP)
        before = served.program.processor_time
        time.sleep(seconds)
        figures = {(0, IDLE): (served.program.processor_time - before) / seconds * 100}
        for count in COUNTS:
            figures |= {(count, what): value for what, value in watch(served, count, seconds).items()}
    return figures


def watch(served: Served, count: int, seconds: float) -> dict[str, float]:
    """Measure with this many viewers at once."""
    with contextlib.ExitStack() as stack:
        viewers = [stack.enter_context(contextlib.closing(served.viewer())) for _ in range(count)]
        read(viewers, WARM_UP)
        for viewer in viewers:
            viewer.ages.clear()
        before = served.program.processor_time
        busy = read(viewers, seconds)
        used = served.program.processor_time - before
    ages = [age for viewer in viewers for age in viewer.ages]
    return {
        COST: used / len(ages) * 1e6,
        AGE: statistics.median(ages) * 1e3,
        LATE: statistics.quantiles(ages, n=20)[-1] * 1e3,
        SHARE: min(len(viewer.ages) for viewer in viewers) / (FPS * seconds) * 100,
        BUSY: busy * 100,
    }


def print_table(names: list[str], medians: list[Figures]) -> None:
    """Print all figures, and the ratio of ours to each peer's."""
    print(f"| viewers | | {' | '.join(names)} | {' | '.join(f'ratio to {name}' for name in names[1:])} |")
    print("|---" * (2 * len(names) + 1) + "|")
    for count, what in medians[0]:
        ours, *others = (figures[count, what] for figures in medians)
        ratios = [f"{ours / other:.2f}" for other in others]
        print(f"| {count} | {what} | {' | '.join([f'{value:.1f}' for value in (ours, *others)] + ratios)} |")


def missed_bounds(ours: Figures, peer: Figures) -> list[str]:
    """Return a line for each bound that this server misses."""
    bounds = [(count, COST) for count in COUNTS if count > 1] + [(count, AGE) for count in COUNTS]
    return [
        f"worse than the peer at {count} viewers: {what}"
        for count, what in bounds
        if ours[count, what] > peer[count, what]
    ]


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="seconds per number of viewers and turn")
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    peers = (OURS, USTREAMER, FLASK)
    turns: dict[Peer, list[Figures]] = {peer: [] for peer in peers}
    for _, peer in itertools.product(range(arguments.turns), peers):
        with tempfile.TemporaryDirectory() as folder:
            turns[peer].append(take_turn(peer, Path(folder), arguments.seconds))
    medians = [{key: statistics.median(turn[key] for turn in turns[peer]) for key in turns[peer][0]} for peer in peers]
    print_table([peer.name for peer in peers], medians)
    busiest = max(turn[count, BUSY] for results in turns.values() for turn in results for count in COUNTS)
    if busiest > MAX_BUSY:
        print(f"the load generator was busy {busiest:.0f} % of the time, so the results are not valid")
        return 2
    failures = missed_bounds(*medians[:2])
    for failure in failures:
        print(failure)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
