"""Random combinations of what webcams do wrong, against a real server. `benchmarks/odd_webcams.py` runs for longer."""

import time
from pathlib import Path

from tests.server.support.odd_world import OddWorld

SEED = 20261126
SECONDS = 20


def test_whatever_a_webcam_does_viewers_are_served_the_state_is_readable_and_all_recovers(tmp_path: Path) -> None:
    world = OddWorld(tmp_path, SEED)
    world.start()
    try:
        world.round()
        threads, descriptors = world.resources()
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            world.round()
        now = world.resources()
        # The capture thread is another one, and the encoder of raw pictures loads libraries.
        assert now[0] <= threads + 2
        assert now[1] <= descriptors + 4, world.open_files()
    finally:
        world.stop()
