"""How old the pictures of a slow viewer are, beside any number of healthy ones: here and with ustreamer.

    python -m benchmarks.freshness --seconds 24 --viewers 16

It exits with 1 when this server's slow viewer sees pictures of a median age of a second or more, or older ones than
ustreamer's, or when a healthy one gets less than 98 % of the pictures.
"""

import argparse
import contextlib
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from benchmarks.load_generator import read
from benchmarks.peers import FPS, OURS, USTREAMER, Peer, serving

SLOW = 300_000
"""Bytes a second, a phone two walls away."""
SETTLE = 2.0


@dataclass(frozen=True)
class Seen:
    """What the slow viewer saw (how many pictures, of which median age in seconds), and the share the others got."""

    pictures: int
    age: float
    share: float


def measure(peer: Peer, seconds: float, viewers: int) -> Seen:
    """Let a slow viewer watch, and others beside it."""
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as leave:
        served = leave.enter_context(serving(peer, Path(folder)))
        slow, *others = [leave.enter_context(contextlib.closing(served.viewer(SLOW)))] + [
            leave.enter_context(contextlib.closing(served.viewer())) for _ in range(viewers)
        ]
        read([slow, *others], SETTLE)
        for viewer in others:
            viewer.ages.clear()
        read([slow, *others], seconds)
        # What it sees at first was sent before anything could queue.
        age = statistics.median(slow.ages[len(slow.ages) // 2 :])
        return Seen(len(slow.ages), age, min(len(viewer.ages) for viewer in others) / (FPS * seconds))


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--viewers", type=int, default=16)
    asked = parser.parse_args()
    ours, theirs = (measure(peer, asked.seconds, asked.viewers) for peer in (OURS, USTREAMER))
    print(f"| a reader of {SLOW} bytes a second beside {asked.viewers} others | pi_mjpeg | ustreamer | ratio |")
    print("|---|---|---|---|")
    print(f"| median age of its pictures | {ours.age:.2f} s | {theirs.age:.2f} s | {ours.age / theirs.age:.2f} |")
    print(f"| pictures it got | {ours.pictures} | {theirs.pictures} | {ours.pictures / theirs.pictures:.2f} |")
    print(f"| what the others got, at the least | {ours.share:.1%} | {theirs.share:.1%} | |")
    return int(not (ours.age < min(1, theirs.age) and ours.share >= 0.98))  # noqa: PLR2004  (the promise)


if __name__ == "__main__":
    sys.exit(main())
