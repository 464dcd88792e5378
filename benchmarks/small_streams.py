"""What small streams take of the network and of the server's processor, for one viewer and for ten.

    python -m benchmarks.small_streams

The camera gives 1280x720 at 30 frames a second, JPEGs of 90 kB. The exit code is 1 if ten viewers of a small stream
need more than half as much again as one does.
"""

import argparse
import contextlib
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load_generator import Viewer, read
from benchmarks.peers import OURS, Served, serving

QUERIES = ("", "?width=640", "?width=640&fps=8", "?width=320", "?width=320&fps=8")
COUNTS = (1, 10)
MAX_GROWTH = 1.5
_WARM_UP = 2.0  # seconds


@dataclass(frozen=True)
class Figures:
    """Of one stream: its frames a second, and megabits a second of one viewer; the share of a core of all."""

    fps: float
    megabits: float
    processor: float

    @property
    def milliseconds(self) -> float:
        """The processor time for each frame and all viewers."""
        return self.processor * 1e3 / self.fps


def measure(served: Served, query: str, count: int, seconds: float) -> Figures:
    """Watch with this many viewers at once."""
    with contextlib.ExitStack() as stack:
        viewers = [
            stack.enter_context(contextlib.closing(Viewer(served.port, f"/stream{query}", discards=number > 0)))
            for number in range(count)
        ]
        read(viewers, _WARM_UP)
        frames, received = viewers[0].frames, viewers[0].received
        before, began = served.program.processor_time, time.monotonic()
        read(viewers, seconds)
        used, elapsed = served.program.processor_time - before, time.monotonic() - began
    fps = (viewers[0].frames - frames) / elapsed
    return Figures(fps, (viewers[0].received - received) * 8e-6 / elapsed, used / elapsed)


def main() -> int:
    """Run the benchmark and return its exit code."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=8, help="seconds per stream and number of viewers")
    arguments = parser.parse_args()
    print("| stream | viewers | frames/s | Mbit/s of a viewer | processor, % of one core | ms per frame |")
    print("|---|---|---|---|---|---|")
    growth = 0.0
    with tempfile.TemporaryDirectory() as folder, serving(OURS, Path(folder)) as served:
        for query in QUERIES:
            few, many = (measure(served, query, count, arguments.seconds) for count in COUNTS)
            for count, each in zip(COUNTS, (few, many), strict=True):
                values = f"{each.fps:.1f} | {each.megabits:.1f} | {each.processor * 100:.1f} | {each.milliseconds:.2f}"
                print(f"| `/stream{query}` | {count} | {values} |", flush=True)
            if query:
                growth = max(growth, many.milliseconds / few.milliseconds)
    if growth > MAX_GROWTH:
        print(f"ten viewers of a small stream need {growth:.2f} times as much as one")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
