"""Viewers of a camera that fails see a drawn picture that says why."""

import asyncio

import pytest
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media import placard

from tests.server.support.published_frames import viewer
from tests.server.support.scripted_camera import (
    Script,
    camera,
    grey,
    level_of,
    supervised,
    until,
)

pytestmark = pytest.mark.usefixtures("short_timeouts")


async def test_viewers_of_a_failing_camera_see_a_drawn_picture_about_once_a_second() -> None:
    script = Script(fail_open="the ribbon is loose")
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            first = await asyncio.wait_for(cam.broadcast.newer_than(-1), 3)
            second = await asyncio.wait_for(cam.broadcast.newer_than(first.sequence), 3)
            assert first.drawn
            assert second.drawn
            assert 0.5 < second.taken - first.taken < 1.6
            level_of(first.jpeg)
            script.fail_open = None
            live = await asyncio.wait_for(cam.broadcast.newer_than(second.sequence + 1), 3)
            await until(lambda: cam.state is CameraState.LIVE)
            assert not live.drawn or not cam.broadcast.latest.drawn  # type: ignore[union-attr]  # there is one by now


async def test_a_picture_that_cannot_be_drawn_now_is_drawn_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class FailingTwice:
        tries = 0

        def draw(self, *_: object) -> bytes:
            self.tries += 1
            if self.tries < 3:
                raise OSError(24, "Too many open files")
            return grey(9)

    placards = FailingTwice()
    monkeypatch.setattr(placard, "draw", placards.draw)
    async with supervised(cam := camera(Script(fail_open="unplugged"))):
        with cam.viewing(viewer()):
            drawn = await asyncio.wait_for(cam.broadcast.newer_than(-1), 5)
    assert level_of(drawn.jpeg) == 9
    assert placards.tries == 3
    assert caplog.text.count("no picture can be drawn: [Errno 24] Too many open files") == 1
