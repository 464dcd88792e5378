"""Watching a camera for motion: what is reported, what the camera does for it, and what a bad detector costs."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.motion import watch as watch_module
from pi_mjpeg_server.motion.detector import Look
from pi_mjpeg_server.motion.settings import MotionSettings
from pi_mjpeg_server.motion.watch import MotionWatch

from tests.server.support.scripted_camera import Script, camera, level_of, supervised, until

STILL = Look(moving=False, area=0.0, box=None, columns=1, rows=1, cells=b"\0")
MOVING = Look(moving=True, area=0.25, box=(0.0, 0.0, 0.5, 0.5), columns=1, rows=1, cells=b"\2")


@dataclass
class FakeDetector:
    """A detector that sees what a test says, and records what it was given."""

    sees: Look = STILL
    error: Exception | None = None
    blocked: threading.Event = field(default_factory=threading.Event)
    made: list[dict[str, Any]] = field(default_factory=list)
    pictures: list[bytes] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    ages: list[float] = field(default_factory=list)
    exposures: list[float | None] = field(default_factory=list)
    at_once: int = 0
    most_at_once: int = 0

    def __post_init__(self) -> None:
        """Do not block."""
        self.blocked.set()

    def __call__(self, **settings: Any) -> "FakeDetector":  # noqa: ANN401
        """Record that a detector is made."""
        self.made.append(settings)
        return self

    def look(self, jpeg: bytes, taken: float, exposure: float | None = None) -> Look:
        """See what the test says."""
        self.ages.append(time.monotonic() - taken)
        self.exposures.append(exposure)
        assert threading.current_thread() is not threading.main_thread()
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            self.blocked.wait()
            self.pictures.append(jpeg)
            self.times.append(time.monotonic())
            if self.error is not None:
                raise self.error
            return self.sees
        finally:
            self.at_once -= 1


@pytest.fixture
def detector() -> Iterator[FakeDetector]:
    made = FakeDetector()
    yield made
    made.blocked.set()


@pytest.fixture
async def front(script: Script) -> AsyncIterator[Camera]:
    async with supervised(running := camera(script)):
        yield running


@pytest.fixture
async def start(front: Camera, detector: FakeDetector) -> AsyncIterator[Callable[..., MotionWatch]]:
    """A function that starts to watch with these settings, fast ones if not given."""
    watches: list[MotionWatch] = []

    def start(**settings: Any) -> MotionWatch:  # noqa: ANN401
        given = {"enabled": True, "fps": 30.0, "clear_after": 1.0, **settings}
        watches.append(watch := MotionWatch(front, MotionSettings(**given), make_detector=detector))
        watch.start()
        return watch

    yield start
    for watch in watches:
        await watch.stop()


Start = Callable[..., MotionWatch]


async def test_motion_is_reported_at_once_and_ends_when_nothing_has_moved_for_a_while(
    detector: FakeDetector, start: Start
) -> None:
    watch = start()
    reported: list[tuple[bool, float]] = []
    watch.on_change.append(lambda: reported.append((watch.status.motion, time.monotonic())))
    await until(lambda: len(detector.pictures) > 2)
    assert not watch.status.motion
    detector.sees = MOVING
    assert await until(lambda: watch.status.motion) < 0.5
    assert (watch.status.area, watch.status.box) == (0.25, (0.0, 0.0, 0.5, 0.5))
    assert abs(watch.status.since - time.time()) < 0.5
    detector.sees = STILL
    took = await until(lambda: not watch.status.motion)
    assert 0.8 < took < 3
    assert (watch.status.area, watch.status.box) == (0.0, None)
    assert [motion for motion, _ in reported] == [True, False]


async def test_the_detector_knows_the_exposure_of_each_picture(
    detector: FakeDetector, script: Script, start: Start
) -> None:
    start()
    await until(lambda: len(detector.exposures) > 1)
    script.exposure = 16_000.0
    await until(lambda: 16_000.0 in detector.exposures)
    assert detector.exposures[0] is None


async def test_motion_ends_although_no_more_pictures_come(detector: FakeDetector, script: Script, start: Start) -> None:
    watch = start()
    detector.sees = MOVING
    await until(lambda: watch.status.motion)
    script.silent = True
    await until(lambda: not watch.status.motion)


async def test_it_keeps_the_camera_capturing_and_is_no_viewer(
    front: Camera, detector: FakeDetector, script: Script, start: Start
) -> None:
    watch = start()
    await until(lambda: len(detector.pictures) > 2)
    await asyncio.sleep(0.3)
    assert (script.capturing, len(front.viewers)) == (1, 0)
    watch.change({"enabled": False})
    await until(lambda: script.capturing == 0 and front.state is CameraState.IDLE)
    looked = len(detector.pictures)
    watch.change({"enabled": True})
    await until(lambda: len(detector.pictures) > looked)


async def test_a_look_waits_for_the_frame_that_is_about_to_come(
    script: Script, detector: FakeDetector, start: Start
) -> None:
    script.fps = 20.0
    start(fps=10.0)
    await until(lambda: len(detector.ages) > 15, 8)
    # The frame before would be 0.05 s old.
    assert sorted(detector.ages[3:])[len(detector.ages[3:]) // 2] < 0.03, detector.ages


async def test_it_looks_at_so_many_pictures_a_second_at_most_and_at_one_at_a_time(
    detector: FakeDetector, start: Start
) -> None:
    watch = start(fps=10.0)
    await until(lambda: len(detector.times) > 8)
    intervals = [later - earlier for earlier, later in zip(detector.times, detector.times[1:], strict=False)]
    assert min(intervals) > 0.05
    assert (len(detector.times) - 1) / (detector.times[-1] - detector.times[0]) < 11
    detector.blocked.clear()
    await asyncio.sleep(0.2)
    # A look that does not end is waited for, whatever a person changes.
    for sensitivity in range(1, 20):
        watch.change({"sensitivity": sensitivity})
        await asyncio.sleep(0.01)
    detector.blocked.set()
    await asyncio.sleep(0.2)
    assert detector.most_at_once == 1
    assert detector.made[-1]["sensitivity"] == 19


async def test_nothing_is_looked_at_while_the_camera_is_off_and_motion_ends_at_once(
    front: Camera, detector: FakeDetector, start: Start
) -> None:
    watch = start(clear_after=60.0)
    detector.sees = MOVING
    await until(lambda: watch.status.motion)
    # A viewer, for whom pictures are drawn.
    with front.viewing(ViewerStats("192.0.2.1", None)):
        front.disable()
        assert not watch.status.motion
        await asyncio.sleep(0.05)
        looked, made = len(detector.pictures), len(detector.made)
        await until(lambda: front.broadcast.latest is not None and front.broadcast.latest.drawn)
        await asyncio.sleep(0.3)
        assert len(detector.pictures) == looked
        assert not watch.status.motion
        front.enable()
        await until(lambda: watch.status.motion)
    # What was before is not compared with what is now.
    assert len(detector.made) == made + 1


async def test_a_look_that_ends_after_the_camera_was_switched_off_says_nothing(
    front: Camera, detector: FakeDetector, start: Start
) -> None:
    watch = start()
    reported: list[bool] = []
    watch.on_change.append(lambda: reported.append(watch.status.motion))
    watch.on_look.append(lambda _: reported.append(True))
    await until(lambda: len(detector.pictures) > 1)
    detector.sees = MOVING
    detector.blocked.clear()
    await until(lambda: detector.at_once == 1)
    reported.clear()
    front.disable()
    detector.blocked.set()
    await asyncio.sleep(0.2)
    assert reported == []


@pytest.mark.parametrize("error", [ValueError("no JPEG"), RuntimeError("x"), MemoryError(), ImportError("no Pillow")])
async def test_a_failing_detector_costs_nothing_but_motion_and_says_so(
    front: Camera,
    detector: FakeDetector,
    script: Script,
    start: Start,
    error: Exception,
    caplog: pytest.LogCaptureFixture,
) -> None:
    watch = start()
    detector.sees = MOVING
    await until(lambda: watch.status.motion)
    detector.error = error
    await until(lambda: watch.status.error is not None)
    assert not watch.status.motion
    frames = script.frames
    await until(lambda: script.frames > frames + 5)
    assert front.state is CameraState.LIVE
    logged = [record for record in caplog.records if "Front" in record.message and "motion" in record.message]
    assert len(logged) == 1
    detector.error = None
    await until(lambda: watch.status.motion)
    assert watch.status.error is None


async def test_a_single_damaged_picture_is_left_out(detector: FakeDetector, start: Start) -> None:
    watch = start(clear_after=60.0)
    detector.sees = MOVING
    await until(lambda: watch.status.motion)
    made, looked = len(detector.made), len(detector.pictures)
    detector.error = ValueError("damaged")
    await until(lambda: len(detector.pictures) > looked)
    detector.error = None
    await until(lambda: len(detector.pictures) > looked + 3)
    assert (watch.status.motion, watch.status.error, len(detector.made)) == (True, None, made)


async def test_a_detector_that_does_not_return_ends_motion_and_blocks_neither_camera_nor_stop(
    detector: FakeDetector, script: Script, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch_module, "LOOK_TIMEOUT", 0.2)
    watch = start(clear_after=60.0)
    detector.sees = MOVING
    await until(lambda: watch.status.motion)
    detector.blocked.clear()
    await until(lambda: watch.status.error is not None)
    assert not watch.status.motion
    frames = script.frames
    await until(lambda: script.frames > frames + 5)
    async with asyncio.timeout(1):
        await watch.stop()


async def test_the_source_may_give_fewer_pictures_only_while_nobody_watches(
    front: Camera, script: Script, start: Start
) -> None:
    watch = start(fps=5.0)
    await until(lambda: script.limits == [10.0])
    with front.viewing(ViewerStats("192.0.2.1", None)):
        await until(lambda: script.limits[-1] is None)
    await until(lambda: script.limits == [10.0, None, 10.0])
    watch.change({"fps": 20.0})
    await until(lambda: script.limits[-1] == 40.0)
    watch.change({"enabled": False})
    await until(lambda: front.state is CameraState.IDLE)
    with front.viewing(ViewerStats("192.0.2.1", None)):
        await until(lambda: script.limits[-1] is None)


async def test_a_source_that_cannot_limit_its_rate_goes_on(front: Camera, script: Script, start: Start) -> None:
    script.fail_limit = True
    start()
    await until(lambda: script.frames > 10)
    assert (front.state, front.status.restarts) == (CameraState.LIVE, 0)


async def test_what_was_captured_before_is_not_looked_at(
    front: Camera, detector: FakeDetector, script: Script, start: Start
) -> None:
    await until(lambda: front.broadcast.latest is not None and front.state is CameraState.IDLE)
    old = script.frames
    start()
    await until(lambda: bool(detector.pictures))
    assert level_of(detector.pictures[0]) > old
