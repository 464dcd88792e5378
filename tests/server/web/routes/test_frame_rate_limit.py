"""Which pictures are sent to a viewer who wants fewer, on a clock of the test's own."""

import itertools
import random

import pytest
from pi_mjpeg_server.web.routes.frame_rate_limit import FrameRateLimiter


def sent(fps: float, camera: float, seconds: float = 60) -> list[int]:
    """Return the numbers of the pictures that go out, of a camera whose pictures come up to 4 ms early or late."""
    chance, pace, numbers = random.Random(1), FrameRateLimiter(fps, 0.0), []  # noqa: S311  (no secret)
    for number in range(int(seconds * camera)):
        now = number / camera + chance.uniform(-0.004, 0.004)
        if pace.wants(now, camera):
            assert pace.take(now, 0) == 0
            numbers.append(number)
    return numbers


@pytest.mark.parametrize(
    ("fps", "camera", "steps"),
    [
        (30, 30, {1}),
        (30, 29.9, {1}),
        (240, 30, {1}),
        (25, 30, {1, 2}),
        (20, 30, {1, 2}),
        (15, 30, {2}),
        (10, 30, {3}),
        (1, 30, {30}),
        (0.05, 30, {600}),
    ],
)
def test_the_pictures_are_so_many_and_as_even_as_the_camera_allows(fps: float, camera: float, steps: set[int]) -> None:
    numbers = sent(fps, camera)
    assert {later - earlier for earlier, later in itertools.pairwise(numbers)} == steps
    assert len(numbers) == pytest.approx(60 * min(fps, camera), rel=0.01, abs=1)


def test_after_a_pause_nothing_is_made_up_for() -> None:
    pace = FrameRateLimiter(10, 0.0)
    pace.take(0.0, 0)
    pace.take(5.0, 0)
    assert not pace.wants(5.05, 30)
    assert pace.wants(5.1, 30)


def test_only_what_was_due_counts_as_missed() -> None:
    pace = FrameRateLimiter(10, 0.0)
    pace.take(0.0, 0)
    # It was busy for a second and a bit, in which a camera of 30 gave 33.
    assert pace.take(1.15, 33) == 10
    # The camera paused: late, but nothing came.
    assert pace.take(9.0, 0) == 0
    # A burst comes before it is due.
    fast = FrameRateLimiter(240, 0.0)
    assert [fast.take(now, 0) for now in (0.0, 0.001, 0.002, 0.003)] == [0] * 4
    assert FrameRateLimiter(None, 0.0).take(1.0, 33) == 33
