"""The supervisor: on demand, watched, restarted, and never a viewer that hangs."""

import asyncio
import threading
import time

import pytest
from pi_mjpeg_server.camera import camera as camera_module
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.camera import Camera, CameraUnavailableError, State
from pi_mjpeg_server.camera.viewer import Viewer
from pi_mjpeg_server.media import placard

from tests.server.support.scripted_camera import Script, camera, grey, level_of, supervised, until


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let deadlines pass in tenths of a second."""
    monkeypatch.setattr(camera_module, "START_TIMEOUT", 0.8)
    monkeypatch.setattr(supervisor, "START_TIMEOUT", 0.8)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "FRAME_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "RETRY_AFTER", (0.05, 0.1))
    monkeypatch.setattr(supervisor, "RESPONSE_TIMEOUT", 0.2)


def viewer() -> Viewer:
    return Viewer("127.0.0.1", None)


async def idle(cam: Camera) -> None:
    """Wait until the picture at the start is taken and the camera rests."""
    await until(lambda: cam.pictures.count > 0 and cam.state is State.IDLE)


async def test_it_takes_one_look_at_the_start_and_rests() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        frames = script.frames
        await asyncio.sleep(0.3)
        assert script.frames == frames
        assert script.capturing == 0
        assert cam.available


async def test_it_captures_while_somebody_watches_and_stops_after_the_linger() -> None:
    script = Script()
    async with supervised(cam := camera(script, linger=0.3)):
        await idle(cam)
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            await asyncio.sleep(0.5)
            assert script.capturing == 1
        assert script.capturing == 1
        took = await until(lambda: cam.state is State.IDLE)
        assert 0.2 < took < 1
        assert script.capturing == 0
        assert script.opened == 1


async def test_all_viewers_share_one_capture() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        before = script.captures
        with cam.viewing(viewer()), cam.viewing(viewer()), cam.viewing(viewer()):
            frames = await asyncio.gather(*(cam.broadcast.newer_than(cam.broadcast.latest.sequence) for _ in range(20)))  # type: ignore[union-attr]  # idle() saw a frame
            assert len({id(frame) for frame in frames}) == 1
            assert script.captures == before + 1


async def test_a_viewer_who_comes_while_it_stops_gets_a_picture() -> None:
    script = Script(fps=200)
    async with supervised(cam := camera(script, linger=0)):
        await idle(cam)
        for _ in range(100):
            with cam.viewing(viewer()):
                latest = cam.broadcast.latest
                assert latest is not None
                async with asyncio.timeout(2):
                    await cam.broadcast.newer_than(latest.sequence)
            await asyncio.sleep(0)
        assert sum(thread.name == "capture-Front" for thread in threading.enumerate()) == 1


async def test_a_still_is_taken_after_it_was_asked_for() -> None:
    script = Script(delay=0.1)
    async with supervised(cam := camera(script, linger=5)):
        await idle(cam)
        for _ in range(5):
            asked = time.monotonic()
            frame = await cam.still(asked)
            assert frame.taken >= asked
            level_of(frame.jpeg)
        old = await cam.still(time.monotonic() - 60)
        assert old is cam.broadcast.latest


async def test_an_event_loop_that_is_late_gets_the_newest_picture_and_no_backlog() -> None:
    script = Script(fps=100)
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            published, missed = cam.pictures.count, cam.missed
            time.sleep(0.5)  # noqa: ASYNC251  (that is the point)
            late = time.monotonic()
            await asyncio.sleep(0)
            assert cam.pictures.count - published <= 2
            await until(lambda: cam.missed - missed > 10)
            latest = cam.broadcast.latest
            assert latest is not None
            assert late - latest.taken < 0.1


async def test_a_camera_that_does_not_open_says_why_and_comes_back() -> None:
    script = Script(fail_open="the ribbon is loose")
    async with supervised(cam := camera(script)):
        await until(lambda: cam.state is State.FAILING)
        assert cam.reason == "the ribbon is loose"
        assert not cam.available
        assert cam.supervisor.next_try is not None
        with pytest.raises(CameraUnavailableError, match="ribbon"):
            await cam.still(time.monotonic())
        script.fail_open = None
        await until(lambda: cam.available)
        assert cam.supervisor.last_error == "the ribbon is loose"


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
            await until(lambda: cam.state is State.LIVE)
            assert not live.drawn or not cam.broadcast.latest.drawn  # type: ignore[union-attr]  # there is one by now


async def test_a_picture_that_cannot_be_drawn_now_is_drawn_later(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Poor:
        tries = 0

        def draw(self, *_: object) -> bytes:
            self.tries += 1
            if self.tries < 3:
                raise OSError(24, "Too many open files")
            return grey(9)

    poor = Poor()
    monkeypatch.setattr(placard, "draw", poor.draw)
    async with supervised(cam := camera(Script(fail_open="unplugged"))):
        with cam.viewing(viewer()):
            drawn = await asyncio.wait_for(cam.broadcast.newer_than(-1), 5)
    assert level_of(drawn.jpeg) == 9
    assert poor.tries == 3
    assert caplog.text.count("no picture can be drawn: [Errno 24] Too many open files") == 1


async def test_a_driver_that_raises_while_streaming_is_reopened() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            opened = script.opened
            script.raise_in_frames = "select timeout"
            await until(lambda: cam.state is State.FAILING)
            assert cam.reason == "select timeout"
            script.raise_in_frames = None
            await until(lambda: cam.state is State.LIVE)
            assert script.opened > opened
            assert script.closed >= 1


async def test_a_driver_that_answers_without_pictures_is_first_started_anew_and_then_reopened() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            captures = script.captures
            script.silent = True
            await until(lambda: script.captures == captures + 1)
            assert cam.state is State.FAILING
            assert script.opened == 1
            await until(lambda: script.opened == 2)
            script.silent = False
            await until(lambda: cam.state is State.LIVE)


async def test_a_driver_that_never_returns_is_left_behind_and_at_last_given_up() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            script.blocked.clear()
            await until(lambda: cam.state is State.FAILING)
            assert "does not answer" in (cam.reason or "")
            await until(lambda: cam.state is State.STUCK, 10)
            with pytest.raises(CameraUnavailableError):
                await cam.still(time.monotonic())
            opened = script.opened
            await asyncio.sleep(0.3)
            assert script.opened == opened
        script.blocked.set()
        await until(lambda: script.capturing == 0)
        cam.restart()
        await until(lambda: cam.state is State.IDLE)


async def test_a_restart_opens_the_device_anew_under_its_viewers() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            cam.restart()
            await until(lambda: script.opened == 2)
            await until(lambda: cam.state is State.LIVE)


async def test_stopping_leaves_no_thread_and_closes_the_device() -> None:
    script = Script()
    cam = camera(script)
    states: list[State] = []
    async with supervised(cam):
        await idle(cam)
        with cam.viewing(viewer()):
            await until(lambda: cam.state is State.LIVE)
            cam.on_change.append(lambda: states.append(cam.state))
            await cam.stop()
            assert State.STARTING not in states
    assert script.closed == 1
    assert not any(thread.name == "capture-Front" for thread in threading.enumerate())


async def test_one_failing_camera_never_touches_another() -> None:
    bad, good = Script(fail_open="gone"), Script()
    failing, live = camera(bad, "bad"), camera(good, "good")
    async with supervised(failing, live):
        with failing.viewing(viewer()), live.viewing(viewer()):
            await until(lambda: live.state is State.LIVE and failing.state is State.FAILING)
            before, began = good.frames, time.monotonic()
            await asyncio.sleep(1)
            assert (good.frames - before) / (time.monotonic() - began) > 30
            assert failing.state is State.FAILING
