"""Every cost of the live picture in one table, with its ratio to a peer, and the targets that are missed.

    python -m benchmarks.hot_path [--short]

The servers take turns in each turn, and the table has the medians of the turns. Processor time is that of all threads
of a process. The exit code is 1 if a target is missed, and 2 if the load generator was too busy for valid results.

With `--short`, only processor time is measured, as ratios to peers, and a target may be missed by half: then the result
does not depend on how fast or busy the machine is. A turn in which one is missed by more is repeated, twice at most.
"""

import argparse
import statistics
import sys
from collections import defaultdict
from collections.abc import Iterable

from benchmarks.measurements import BUSY, Figures, Plan, take_turn
from benchmarks.targets import TARGETS, Target

MAX_BUSY = 80.0
"""Per cent of the time. A busier load generator may keep a server waiting."""

SHORT_TURNS = 3
"""Turns of the short form: something else on the machine spoils one, and what has become slower fails in all."""

TOLERANCE = 1.5
"""By which factor a ratio of the short form may be above its target."""


def medians(turns: Iterable[Figures]) -> Figures:
    """Return the median of each figure."""
    values: dict[tuple[str, int, str], list[float]] = defaultdict(list)
    for turn in turns:
        for key, value in turn.items():
            values[key].append(value)
    return {key: statistics.median(each) for key, each in values.items()}


def table(figures: Figures, targets: Iterable[Target]) -> list[str]:
    """Return the lines of the table."""
    lines = ["| what | viewers | pi_mjpeg | peer | | ratio | target | |", "|---|---|---|---|---|---|---|---|"]
    for target in targets:
        if not target.is_measured(figures):
            continue
        ours, peer = target.ours(figures), target.peer(figures)
        figure = f"{target.what} | {target.viewers or ''} | {ours:.{target.digits}f}"
        compared = " | | " if peer is None else f"{peer:.{target.digits}f} | {target.name} | {ours / peer:.2f}"
        verdict = "missed" if target.excess(figures) > 1 else ""
        lines.append(f"| {figure} | {compared} | {target.most:g} | {verdict} |")
    return lines


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=6, help="seconds per number of viewers and turn")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--short", action="store_true", help="one short turn of what a test can afford")
    arguments = parser.parse_args()
    if arguments.short:
        return _measure_short()
    figures = medians(take_turn(Plan(arguments.seconds)) for _ in range(arguments.turns))
    print("\n".join(table(figures, TARGETS)))
    busiest = max(value for (_, _, what), value in figures.items() if what == BUSY)
    if busiest > MAX_BUSY:
        print(f"the load generator was busy {busiest:.0f} % of the time, so the results are not valid")
        return 2
    return int(any(target.excess(figures) > 1 for target in TARGETS if target.is_measured(figures)))


def _measure_short() -> int:
    for _ in range(SHORT_TURNS):
        figures = take_turn(Plan.short())
        print("\n".join(table(figures, TARGETS)))
        ratios = [target for target in TARGETS if target.peer_server is not None and target.is_measured(figures)]
        if all(target.excess(figures) <= TOLERANCE for target in ratios):
            return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
