"""A few of the scenes that the benchmark judges: some that were used for tuning, and some that were not."""

import pytest
from pi_mjpeg_server.motion.detector import MotionDetector

from benchmarks.motion import scenes
from benchmarks.motion.scenes import QUIET, Scene

TUNING, JUDGING = 0, 1000
SECONDS = 14.0


def scene(kinds: tuple[str, ...], seed: int, *, walks: bool) -> Scene:
    every, make = (scenes.POSITIVE, scenes.walkers) if walks else (scenes.NEGATIVE, scenes.disturbed)
    return make(range(seed, seed + 1))[every.index(kinds)]


@pytest.mark.parametrize(
    ("kinds", "seed"),
    [((), TUNING), (("night",), TUNING), (("exposure",), JUDGING), (("rain",), JUDGING), ((), JUDGING)],
    ids=str,
)
def test_a_walker_is_found(kinds: tuple[str, ...], seed: int) -> None:
    detector = MotionDetector()
    walked = False
    for shot in scene(kinds, seed, walks=True).shots():
        walked = walked or shot.walker
        if detector.look(shot.jpeg, 1000 + shot.time, shot.exposure).moving and shot.walker:
            return
    assert walked
    pytest.fail("the walker was not found")


@pytest.mark.parametrize(
    ("kinds", "seed"),
    [
        (("exposure",), TUNING),
        (("clouds",), JUDGING),
        (("night",), JUDGING),
        (("focus",), JUDGING),
        (("shaking",), TUNING),
    ],
    ids=str,
)
def test_nothing_is_found_where_nobody_walks(kinds: tuple[str, ...], seed: int) -> None:
    detector = MotionDetector()
    for shot in scene(kinds, seed, walks=False).shots():
        if shot.time > SECONDS:
            break
        assert not detector.look(shot.jpeg, 1000 + shot.time, shot.exposure).moving or shot.time < QUIET
