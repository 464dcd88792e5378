"""The fan-out, with subscribers of the test's own."""

import asyncio
import time

import pytest
from pi_mjpeg_server.camera.broadcast import Broadcast
from pi_mjpeg_server.media.frame import Frame


def frame(sequence: int) -> Frame:
    """Return a frame with this number."""
    now = time.monotonic()
    return Frame(b"jpeg", sequence, now, now)


class Recorder:
    """A subscriber that keeps what it is given, and wants to be checked every `interval` seconds."""

    def __init__(self, interval: float = 60.0, error: Exception | None = None) -> None:
        """Raise `error`, if there is one, whenever it is called."""
        self.sequences: list[int] = []
        self.checks: list[float] = []
        self._interval = interval
        self._error = error

    def frame_published(self, frame: Frame, now: float) -> None:
        """Keep its number."""
        assert now <= time.monotonic()
        if self._error is not None:
            raise self._error
        self.sequences.append(frame.sequence)

    def frames_withdrawn(self) -> None:
        """Keep a -1."""
        if self._error is not None:
            raise self._error
        self.sequences.append(-1)

    def check(self, now: float) -> float:
        """Keep the time."""
        if self._error is not None:
            raise self._error
        self.checks.append(now)
        return now + self._interval


async def test_a_subscriber_gets_each_frame_at_once_and_none_afterwards() -> None:
    broadcast, first, second = Broadcast(), Recorder(), Recorder()
    with broadcast.subscribed(first):
        broadcast.publish(frame(1))
        with broadcast.subscribed(second):
            broadcast.publish(frame(2))
        broadcast.publish(frame(3))
    broadcast.publish(frame(4))
    assert (first.sequences, second.sequences) == ([1, 2, 3], [2])


async def test_an_error_of_one_subscriber_costs_no_other_one_a_frame_a_check_or_the_end_of_its_frames(
    caplog: pytest.LogCaptureFixture,
) -> None:
    broadcast, broken, sound = Broadcast(), Recorder(error=RuntimeError("broken")), Recorder(interval=0.05)
    with broadcast.subscribed(broken), broadcast.subscribed(sound):
        broadcast.publish(frame(1))
        broadcast.check_within(0)
        await asyncio.sleep(0.3)
        broadcast.withdraw()
    assert sound.sequences == [1, -1]
    assert len(sound.checks) > 2
    assert "broken" in caplog.text


async def test_all_are_checked_by_one_timer_when_the_first_of_them_is_due() -> None:
    broadcast = Broadcast()
    rare, frequent = Recorder(interval=60), Recorder(interval=0.1)
    with broadcast.subscribed(rare), broadcast.subscribed(frequent):
        broadcast.check_within(0.05)
        broadcast.check_within(30)
        await asyncio.sleep(0.5)
        # The timer and the sleep, and no task or timer for each of the two.
        assert rare.checks == frequent.checks
    checks = len(frequent.checks)
    assert 2 <= checks <= 5
    await asyncio.sleep(0.2)
    assert len(frequent.checks) == checks


async def test_a_reader_that_takes_its_time_gets_the_latest_frame_and_is_woken_when_frames_are_withdrawn() -> None:
    broadcast = Broadcast()
    waiting = [asyncio.create_task(broadcast.newer_than(1)) for _ in range(3)]
    await asyncio.sleep(0)
    waiting.pop().cancel()
    broadcast.publish(frame(1))
    broadcast.publish(frame(2))
    broadcast.publish(frame(3))
    assert [taken.sequence for taken in await asyncio.gather(*waiting)] == [3, 3]
    changed = asyncio.create_task(broadcast.change())
    await asyncio.sleep(0)
    broadcast.withdraw()
    await asyncio.wait_for(changed, 1)
    assert broadcast.latest is None
    assert broadcast.is_withdrawn(frame(3))
    assert not broadcast.is_withdrawn(frame(4))
