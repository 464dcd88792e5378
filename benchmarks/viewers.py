"""What a viewer costs, and how old its picture is: this server beside ustreamer and Flask, on one webcam.

    python -m benchmarks.viewers

The servers take turns; in each, one is measured without a viewer, then with 1, 8 and 32. The medians of the turns are
printed as a table. It exits with 1 when this server takes more processor time for a viewer's frame than ustreamer does,
at 8 and 32 viewers, or when its median picture is older, and with 2 when the readers were too busy to be believed.
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
from benchmarks.peers import ARTICLE, FPS, OURS, USTREAMER, Peer, Served, serving

COUNTS = (1, 8, 32)
SETTLE = 2.0
BUSIEST = 80.0  # per cent of the time that the readers may be busy: with more, they may keep a server waiting

IDLE = "of a core, %"
COST = "processor time for a frame of one, us"
AGE = "age of a picture, median, ms"
LATE = "95 % are younger than, ms"
GOT = "frames that each got, at the least, %"
READERS = "the readers read or waited for a core, % of the time"

Figures = dict[tuple[int, str], float]
"""What was measured in one turn, by the number of viewers and what it is."""


def take_turn(peer: Peer, folder: Path, seconds: float) -> Figures:
    """Start a server, measure it and stop it."""
    with serving(peer, folder) as served:
        time.sleep(SETTLE)
        before = served.program.processor_time
        time.sleep(seconds)
        figures = {(0, IDLE): (served.program.processor_time - before) / seconds * 100}
        for count in COUNTS:
            figures |= {(count, what): value for what, value in watch(served, count, seconds).items()}
    return figures


def watch(served: Served, count: int, seconds: float) -> dict[str, float]:
    """Watch with that many viewers at once."""
    with contextlib.ExitStack() as leave:
        viewers = [leave.enter_context(contextlib.closing(served.viewer())) for _ in range(count)]
        read(viewers, SETTLE)
        for viewer in viewers:
            viewer.ages.clear()
        before = served.program.processor_time
        readers = read(viewers, seconds)
        used = served.program.processor_time - before
    ages = [age for viewer in viewers for age in viewer.ages]
    return {
        COST: used / len(ages) * 1e6,
        AGE: statistics.median(ages) * 1e3,
        LATE: statistics.quantiles(ages, n=20)[-1] * 1e3,
        GOT: min(len(viewer.ages) for viewer in viewers) / (FPS * seconds) * 100,
        READERS: readers * 100,
    }


def show(names: list[str], medians: list[Figures]) -> None:
    """Print all figures, and ours as so many times each peer's."""
    print(f"| viewers | | {' | '.join(names)} | {' | '.join(f'ratio to {name}' for name in names[1:])} |")
    print("|---" * (2 * len(names) + 1) + "|")
    for count, what in medians[0]:
        ours, *others = (figures[count, what] for figures in medians)
        ratios = [f"{ours / other:.2f}" for other in others]
        print(f"| {count} | {what} | {' | '.join([f'{value:.1f}' for value in (ours, *others)] + ratios)} |")


def broken(ours: Figures, peer: Figures) -> list[str]:
    """Return the bounds that are broken, in words."""
    bounds = [(count, COST) for count in COUNTS if count > 1] + [(count, AGE) for count in COUNTS]
    return [f"broken at {count}: {what}" for count, what in bounds if ours[count, what] > peer[count, what]]


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="for each number of viewers, in each turn")
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    peers = (OURS, USTREAMER, ARTICLE)
    turns: dict[Peer, list[Figures]] = {peer: [] for peer in peers}
    for _, peer in itertools.product(range(asked.turns), peers):
        with tempfile.TemporaryDirectory() as folder:
            turns[peer].append(take_turn(peer, Path(folder), asked.seconds))
    medians = [{key: statistics.median(turn[key] for turn in turns[peer]) for key in turns[peer][0]} for peer in peers]
    show([peer.name for peer in peers], medians)
    busiest = max(turn[count, READERS] for mine in turns.values() for turn in mine for count in COUNTS)
    if busiest > BUSIEST:
        print(f"the readers were busy {busiest:.0f} % of the time, so these figures may be theirs")
        return 2
    failures = broken(*medians[:2])
    for failure in failures:
        print(failure)
    return int(bool(failures))


if __name__ == "__main__":
    sys.exit(main())
