"""The fast and the slow path of one viewer, with a connection of the test's own."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

import pytest
from pi_mjpeg_server.camera.frame_rate_limit import FrameRateLimiter
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media.frame import PREAMBLE, Frame
from pi_mjpeg_server.web.routes import frame_writer
from pi_mjpeg_server.web.routes.frame_writer import FrameWriter

from tests.server.support.scripted_camera import Script, camera

if TYPE_CHECKING:
    from aiohttp.abc import AbstractStreamWriter


@dataclass
class Connection:
    """A transport and aiohttp's writer in one. While it is `blocked`, the kernel takes all but a byte of each part."""

    blocked: bool = False
    aborted: bool = False
    written: list[bytes] = field(default_factory=list)
    drains: int = 0
    drained: asyncio.Event = field(default_factory=asyncio.Event)

    def write(self, part: bytes) -> "asyncio.Future[None]":
        """Keep it. Only the writer's method is awaited."""
        self.written.append(part)
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    def get_write_buffer_size(self) -> int:
        """Return what the kernel has not taken."""
        return int(self.blocked)

    async def drain(self) -> None:
        """Return when it is not blocked any more."""
        self.drains += 1
        if self.blocked:
            await self.drained.wait()

    def unblock(self) -> None:
        """Let the kernel take everything."""
        self.blocked = False
        self.drained.set()

    def is_closing(self) -> bool:
        """Return whether it was aborted."""
        return self.aborted

    def abort(self) -> None:
        """Close it at once."""
        self.aborted = True
        self.drained.set()


class Watched:
    """A camera that publishes what a test says, with one viewer."""

    def __init__(self, limiter: FrameRateLimiter | None = None) -> None:
        """Give the viewer a connection that takes everything."""
        self.connection = Connection()
        self.viewer = ViewerStats("127.0.0.1", None)
        self.camera = camera(Script())
        self._number = 0
        writer = cast("AbstractStreamWriter", self.connection)
        transport = cast("asyncio.Transport", self.connection)
        self._writer = FrameWriter(
            writer, transport, self.camera.broadcast, self.viewer, limiter, for_browser=False, name="front"
        )

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[asyncio.Task[None]]:
        """Run the writer inside the block."""
        task = asyncio.create_task(self._writer.run(lambda: False))
        await asyncio.sleep(0)
        try:
            yield task
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def publish(self) -> Frame:
        """Publish a frame of one byte."""
        self._number += 1
        now = time.monotonic()
        frame = Frame(bytes([self._number]), self._number, now, now)
        self.camera.broadcast.publish(frame)
        return frame


async def test_a_viewer_that_keeps_up_gets_each_frame_at_once_and_its_task_sleeps() -> None:
    watched = Watched()
    async with watched.running():
        drains = watched.connection.drains
        frames = [watched.publish() for _ in range(5)]
        assert watched.connection.written == [PREAMBLE, *(frame.part for frame in frames)]
        await asyncio.sleep(0.05)
        assert watched.connection.drains == drains
    assert (watched.viewer.send_rate.count, watched.viewer.drops) == (5, 0)


@pytest.mark.parametrize(("max_rate", "sent"), [(5.0, 4), (6.0, 1)])
async def test_of_frames_that_were_chosen_at_the_rate_of_the_viewer_none_is_left_out(
    max_rate: float, sent: int
) -> None:
    watched = Watched(FrameRateLimiter(5, time.monotonic()))
    watched.camera.broadcast.max_rate = max_rate
    async with watched.running():
        for _ in range(4):
            watched.publish()
    assert watched.viewer.send_rate.count == sent


async def test_a_viewer_that_is_behind_goes_on_with_the_latest_frame_and_misses_those_in_between() -> None:
    watched = Watched()
    async with watched.running():
        watched.connection.blocked = True
        first, *_, last = [watched.publish() for _ in range(5)]
        await asyncio.sleep(0.01)
        assert watched.connection.written == [PREAMBLE, first.part]
        watched.connection.unblock()
        await asyncio.sleep(0.01)
        assert watched.connection.written == [PREAMBLE, first.part, last.part]
        assert watched.publish().part == watched.connection.written[-1]
    assert (watched.viewer.send_rate.count, watched.viewer.drops) == (3, 3)


async def test_what_was_withdrawn_meanwhile_is_neither_sent_nor_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(frame_writer, "REPEAT_INTERVAL", 0.06)
    watched = Watched()
    async with watched.running():
        watched.connection.blocked = True
        first = watched.publish()
        watched.publish()
        await asyncio.sleep(0.01)
        watched.camera.broadcast.withdraw()
        watched.connection.unblock()
        await asyncio.sleep(0.3)
        assert watched.connection.written == [PREAMBLE, first.part]
        assert watched.publish().part == watched.connection.written[-1]


async def test_a_viewer_that_takes_nothing_is_disconnected_by_the_camera_s_timer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(frame_writer, "DRAIN_TIMEOUT", 0.1)
    watched = Watched()
    async with watched.running() as task:
        watched.connection.blocked = True
        watched.publish()
        await asyncio.sleep(0.01)
        watched.camera.broadcast.check_within(0.12)
        await asyncio.wait_for(task, 2)
        assert watched.connection.aborted
