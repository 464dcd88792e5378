"""One scaled stream, with a scaler of the test's own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
from pi_mjpeg_server.camera import scaled_stream
from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.camera.scaled_stream import ScaledStream, ScalingCounts
from pi_mjpeg_server.media.frame import Frame
from pi_mjpeg_server.media.scaling import ScalingError

from tests.server.camera.test_broadcast import Recorder
from tests.server.support.scripted_camera import level_of, until


class Scaled:
    """A broadcast whose frames are scaled: in no time, or as long as `blocked`."""

    def __init__(self) -> None:
        """Scale nothing yet."""
        self.source = Broadcast()
        self.asked: list[int] = []
        self.running = 0
        self.error: str | Exception | None = None
        self.counts = ScalingCounts()
        self.done = asyncio.Event()
        self.done.set()
        self.stream = ScaledStream("Front", 320, self.source, self._scale, self.counts)
        self.viewer = Recorder()
        self._sequence = 0

    async def _scale(self, frame: Frame, width: int) -> bytes:
        assert width == 320
        self.asked.append(frame.sequence)
        self.running += 1
        try:
            await self.done.wait()
        finally:
            self.running -= 1
        if isinstance(self.error, Exception):
            raise self.error
        if self.error is not None:
            raise ScalingError(self.error)
        return b"small"

    @contextlib.asynccontextmanager
    async def watched(self, fps: float | None = None) -> AsyncIterator[None]:
        """Watch, and record which frames are published, inside the block."""
        with self.stream.watching(fps), self.stream.broadcast.subscribed(self.viewer):
            await asyncio.sleep(0)
            yield

    async def publish(self, *, drawn: bool = False, settle: float = 0.005) -> Frame:
        """Publish a frame of the camera, and give the stream a little time."""
        self._sequence += 1
        now = time.monotonic()
        if not drawn:
            self.source.rate.tick(now)
        frame = Frame(b"large", self._sequence, now, 1000.0 + self._sequence, drawn)
        self.source.publish(frame)
        await asyncio.sleep(settle)
        return frame


@pytest.fixture
async def scaled() -> Scaled:
    return Scaled()


async def test_a_scaled_frame_has_all_of_the_camera_s_but_the_picture(scaled: Scaled) -> None:
    async with scaled.watched():
        for drawn in (False, True):
            frame = await scaled.publish(drawn=drawn)
            latest = scaled.stream.broadcast.latest
            assert latest is not None
            assert latest == Frame(b"small", frame.sequence, frame.taken, frame.timestamp, drawn)
            assert latest.jpeg == b"small"
    assert (scaled.counts.scaled, scaled.counts.dropped) == (2, 0)
    assert scaled.stream.broadcast.rate.count == 1


async def test_a_slow_scaler_gets_the_latest_frame_next_and_never_two_at_once(scaled: Scaled) -> None:
    async with scaled.watched():
        scaled.done.clear()
        for _ in range(5):
            await scaled.publish()
            assert scaled.running == 1
        scaled.done.set()
        await until(lambda: scaled.viewer.sequences == [1, 5], 1)
        await scaled.publish()
        assert scaled.asked == scaled.viewer.sequences == [1, 5, 6]
    assert (scaled.counts.scaled, scaled.counts.dropped) == (3, 3)


async def test_no_more_frames_are_scaled_than_the_fastest_viewer_asks_for(scaled: Scaled) -> None:
    async def scaled_of(frames: int) -> int:
        before = len(scaled.asked)
        for _ in range(frames):
            await scaled.publish(settle=0.01)
        return len(scaled.asked) - before

    with scaled.stream.watching(5):
        async with scaled.watched(10):
            began = time.monotonic()
            count = await scaled_of(50)
            assert count == pytest.approx(10 * (time.monotonic() - began), abs=2)
            assert scaled.stream.broadcast.max_rate == 10
            with scaled.stream.watching(None):
                assert await scaled_of(10) == 10
            with scaled.stream.watching(10), scaled.stream.watching(1):
                assert await scaled_of(10) < 5
        began = time.monotonic()
        assert await scaled_of(60) == pytest.approx(5 * (time.monotonic() - began), abs=2)
        assert scaled.stream.broadcast.max_rate == 5
    assert scaled.counts.dropped == 0


async def test_a_slow_viewer_that_comes_before_the_first_frame_slows_down_nobody(scaled: Scaled) -> None:
    async with scaled.watched(50):
        with scaled.stream.watching(1):
            for _ in range(5):
                await scaled.publish(settle=0.03)
            assert len(scaled.asked) == 5


async def test_at_any_rate_viewers_are_told_at_once_that_there_is_no_picture_or_one_again(scaled: Scaled) -> None:
    async with scaled.watched(0.05):
        for drawn in (False, False, True, True, False, False):
            await scaled.publish(drawn=drawn)
        assert scaled.viewer.sequences == [1, 3, 4, 5]


async def test_a_viewer_that_comes_gets_a_frame_soon_at_the_lowest_rate(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaled_stream, "_MAX_AGE", 0.05)
    async with scaled.watched(0.05):
        await scaled.publish(settle=0.1)
        await scaled.publish()
        assert scaled.asked == [1]
        with scaled.stream.watching(0.05):
            await scaled.publish()
            assert scaled.asked == [1, 3]
            # It has one that is new enough now.
            with scaled.stream.watching(0.05):
                await scaled.publish()
        await scaled.publish()
        assert scaled.asked == [1, 3]


async def test_the_frame_that_is_there_is_scaled_at_once_unless_it_is_old(scaled: Scaled) -> None:
    await scaled.publish()
    async with scaled.watched():
        await until(lambda: scaled.viewer.sequences == [1], 0.5)
    late = Scaled()
    late.source.publish(Frame(b"large", 1, time.monotonic() - 5, 1000.0))
    async with late.watched():
        await asyncio.sleep(0.02)
    assert late.asked == []


async def test_a_frame_that_cannot_be_scaled_costs_only_itself(
    scaled: Scaled, caplog: pytest.LogCaptureFixture
) -> None:
    async with scaled.watched():
        for error in (None, "it is damaged", None, RuntimeError("no thread"), None):
            scaled.error = error
            await scaled.publish()
    assert scaled.viewer.sequences == [1, 3, 5]
    assert (scaled.counts.scaled, scaled.counts.dropped) == (3, 2)
    assert [record.getMessage() for record in caplog.records] == [
        "Front: a picture cannot be 320 pixels wide: it is damaged"
    ]


async def test_so_does_one_that_fails_for_a_reason_that_nobody_thought_of(scaled: Scaled) -> None:
    async with scaled.watched():
        for error in (ZeroDivisionError(), None):
            scaled.error = error
            await scaled.publish()
    assert scaled.viewer.sequences == [2]


async def test_if_none_can_be_scaled_viewers_are_told_why_now_and_then(
    scaled: Scaled, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scaled_stream, "_PATIENCE", 0.2)
    async with scaled.watched():
        scaled.error = "it is damaged"
        began = time.monotonic()
        while time.monotonic() - began < 0.9:
            await scaled.publish()
        latest = scaled.stream.broadcast.latest
        assert latest is not None
        assert latest.drawn
        assert level_of(latest.jpeg) < 60
        assert 2 <= len(scaled.viewer.sequences) <= 4
        scaled.error = None
        last = await scaled.publish()
        assert scaled.viewer.sequences[-1] == last.sequence


async def test_what_is_withdrawn_is_neither_published_nor_kept(scaled: Scaled) -> None:
    async with scaled.watched():
        await scaled.publish()
        scaled.done.clear()
        await scaled.publish()
        await scaled.publish()
        scaled.source.withdraw()
        assert scaled.stream.broadcast.latest is None
        await asyncio.sleep(0)
        assert scaled.running == 0
        scaled.done.set()
        await asyncio.sleep(0.02)
        assert scaled.stream.broadcast.latest is None
        await scaled.publish(drawn=True)
    # The Recorder keeps a -1 when it is told.
    assert (scaled.asked, scaled.running) == ([1, 2, 4], 0)
    assert scaled.viewer.sequences == [1, -1, 4]


async def test_nothing_runs_when_nobody_watches(scaled: Scaled) -> None:
    before = asyncio.all_tasks()
    async with scaled.watched(), scaled.watched():
        scaled.done.clear()
        await scaled.publish()
        assert scaled.running == 1
    await asyncio.sleep(0)
    assert scaled.running == 0
    assert asyncio.all_tasks() == before
    await scaled.publish()
    assert scaled.asked == [1]
