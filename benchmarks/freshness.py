"""How old the pictures of a slow viewer are, beside any number of healthy ones.

    python -m benchmarks.freshness --seconds 24 --viewers 16

A server of its own plays pictures of 90 kB at 30 a second. It exits with 1 when the slow viewer's median age is a
second or more, or when a healthy one gets less than 98 % of the pictures.
"""

import argparse
import asyncio
import contextlib
import statistics
import sys
import tempfile
from pathlib import Path

from tests.server.scripted import Script, camera, serving, until
from tests.server.test_freshness import SLOW, Watcher, watching


async def measure(seconds: float, viewers: int) -> bool:
    """Print what the slow viewer and the others saw; return whether it is good enough."""
    script = Script(fps=30, padding=90_000)
    many = {"max_viewers": 1000, "max_viewers_per_camera": 1000, "max_viewers_per_address": 1000}
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as watch:
        async with serving(Path(folder), [camera(script)], **many) as served:

            def enter(speed: float | None) -> Watcher:
                return watch.enter_context(watching(served.url, speed))

            slow = await asyncio.to_thread(enter, SLOW)
            others = [await asyncio.to_thread(enter, None) for _ in range(viewers)]
            await until(lambda: all(watcher.ages for watcher in (slow, *others)))
            made, before = script.frames, [len(watcher.ages) for watcher in others]
            await asyncio.sleep(seconds)
            made = script.frames - made
            shares = [(len(watcher.ages) - count) / made for watcher, count in zip(others, before, strict=True)]
            age = statistics.median(slow.ages[len(slow.ages) // 2 :])
            print(f"a reader of {SLOW} bytes a second: {len(slow.ages)} pictures, median age {age:.2f} s")
            print(f"{viewers} others: at least {min(shares):.1%} of {made} pictures")
            watch.close()
    return age < 1 and min(shares) >= 0.98  # noqa: PLR2004  (the promise)


def main() -> int:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=24)
    parser.add_argument("--viewers", type=int, default=16)
    asked = parser.parse_args()
    return int(not asyncio.run(measure(asked.seconds, asked.viewers)))


if __name__ == "__main__":
    sys.exit(main())
