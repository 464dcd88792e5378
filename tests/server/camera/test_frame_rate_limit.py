"""Which frames are sent to a viewer that asked for fewer, with a clock of the test's own."""

import itertools
import random

import pytest
from pi_mjpeg_server.camera.frame_rate_limit import FrameRateLimiter


def sent_frames(fps: float, camera: float, seconds: float = 60) -> list[int]:
    """Return the numbers of the frames that are sent, of a camera whose frames are up to 4 ms early or late."""
    chance, limiter, numbers = random.Random(1), FrameRateLimiter(fps, 0.0), []  # noqa: S311  (no secret)
    for number in range(int(seconds * camera)):
        now = number / camera + chance.uniform(-0.004, 0.004)
        if limiter.is_due(now, camera):
            assert limiter.sent(now, 0) == 0
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
def test_the_frames_are_as_many_as_asked_for_and_as_even_as_the_camera_allows(
    fps: float, camera: float, steps: set[int]
) -> None:
    numbers = sent_frames(fps, camera)
    assert {later - earlier for earlier, later in itertools.pairwise(numbers)} == steps
    assert len(numbers) == pytest.approx(60 * min(fps, camera), rel=0.01, abs=1)


def test_a_pause_is_not_made_up_for() -> None:
    limiter = FrameRateLimiter(10, 0.0)
    limiter.sent(0.0, 0)
    limiter.sent(5.0, 0)
    assert not limiter.is_due(5.05, 30)
    assert limiter.is_due(5.1, 30)


def test_only_frames_that_were_due_count_as_missed() -> None:
    limiter = FrameRateLimiter(10, 0.0)
    limiter.sent(0.0, 0)
    # Busy for 1.15 s, in which a camera of 30 frames per second gave 33.
    assert limiter.sent(1.15, 33) == 10
    # The camera paused: late, but no frames were missed.
    assert limiter.sent(9.0, 0) == 0
    # A burst of frames that are not due yet.
    fast = FrameRateLimiter(240, 0.0)
    assert [fast.sent(now, 0) for now in (0.0, 0.001, 0.002, 0.003)] == [0] * 4
