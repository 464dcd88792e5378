"""The supervisor: capture on demand, restarts after failures, and viewers that never hang."""

import asyncio
import threading
import time
from collections.abc import Mapping

import pytest
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media import placard
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Source, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlError

from tests.server.support.scripted_camera import Script, ScriptedSource, camera, grey, level_of, supervised, until

pytestmark = pytest.mark.usefixtures("short_timeouts")


def viewer() -> ViewerStats:
    return ViewerStats("127.0.0.1", None)


async def idle(cam: Camera) -> None:
    """Wait until the camera has taken its first picture and is idle."""
    await until(lambda: cam.capture_rate.count > 0 and cam.state is CameraState.IDLE)


async def test_it_takes_a_picture_at_the_start_and_becomes_idle() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        frames = script.frames
        await asyncio.sleep(0.3)
        assert script.frames == frames
        assert script.capturing == 0
        assert cam.available


async def test_what_a_source_says_is_one_line_of_text_that_documents_can_hold() -> None:
    """A file name that is not UTF-8 has such halves of characters, which Home Assistant's reader refuses."""
    odd = "b\udcff\nc\x1b[31m \u202ed" + "e" * 5000
    script = Script(source_info=SourceInfo(model=odd, note=odd, size=(0, 0)), fail_open=odd)
    async with supervised(cam := camera(script)):
        await until(lambda: cam.state is CameraState.FAILING)
        assert cam.status.reason == f"b c [31m d{'e' * 990}"
        with cam.viewing(viewer()):
            await until(lambda: cam.broadcast.latest is not None)
            script.fail_open = None
            await until(lambda: cam.state is CameraState.LIVE)
            await until(lambda: cam.source_info.size == (64, 48))
        assert cam.source_info.model == f"b c [31m d{'e' * 190}"
        assert cam.source_info.note == f"b c [31m d{'e' * 990}"


async def test_it_captures_while_it_has_a_viewer_and_stops_after_the_linger() -> None:
    script = Script()
    async with supervised(cam := camera(script, linger=0.3)):
        await idle(cam)
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            await asyncio.sleep(0.5)
            assert script.capturing == 1
        assert script.capturing == 1
        took = await until(lambda: cam.state is CameraState.IDLE)
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


async def test_a_viewer_who_connects_while_it_stops_gets_a_picture() -> None:
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


async def test_a_still_is_taken_after_the_request() -> None:
    script = Script(delay=0.1)
    async with supervised(cam := camera(script, linger=5)):
        await idle(cam)
        for _ in range(5):
            requested_at = time.monotonic()
            frame = await cam.still(requested_at)
            assert frame.taken >= requested_at
            level_of(frame.jpeg)
        old = await cam.still(time.monotonic() - 60)
        assert old is cam.broadcast.latest


async def test_an_event_loop_that_is_late_gets_the_newest_picture_and_no_backlog() -> None:
    script = Script(fps=100)
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            published, drops = cam.capture_rate.count, cam.capture_drops
            time.sleep(0.5)  # noqa: ASYNC251  (that is the point)
            late = time.monotonic()
            await asyncio.sleep(0)
            assert cam.capture_rate.count - published <= 2
            await until(lambda: cam.capture_drops - drops > 10)
            latest = cam.broadcast.latest
            assert latest is not None
            assert late - latest.taken < 0.1


async def test_a_camera_that_does_not_open_reports_why_and_recovers() -> None:
    script = Script(fail_open="the ribbon is loose")
    async with supervised(cam := camera(script)):
        await until(lambda: cam.state is CameraState.FAILING)
        assert cam.reason == "the ribbon is loose"
        assert not cam.available
        assert cam.status.next_try is not None
        with pytest.raises(CameraUnavailableError, match="ribbon"):
            await cam.still(time.monotonic())
        script.fail_open = None
        await until(lambda: cam.available)
        assert cam.status.last_error == "the ribbon is loose"


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


async def test_a_driver_that_raises_while_streaming_is_reopened() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            opened = script.opened
            script.raise_in_frames = "select timeout"
            await until(lambda: cam.state is CameraState.FAILING)
            assert cam.reason == "select timeout"
            script.raise_in_frames = None
            await until(lambda: cam.state is CameraState.LIVE)
            assert script.opened > opened
            assert script.closed >= 1


async def test_a_driver_that_responds_without_pictures_is_first_restarted_and_then_reopened() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            captures = script.captures
            script.silent = True
            await until(lambda: script.captures == captures + 1)
            assert cam.state is CameraState.FAILING
            assert script.opened == 1
            await until(lambda: script.opened == 2)
            script.silent = False
            await until(lambda: cam.state is CameraState.LIVE)


async def test_a_driver_that_never_returns_is_abandoned_and_the_camera_is_stuck_at_last() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            script.blocked.clear()
            await until(lambda: cam.state is CameraState.FAILING)
            assert "does not answer" in (cam.reason or "")
            await until(lambda: cam.state is CameraState.STUCK, 10)
            with pytest.raises(CameraUnavailableError):
                await cam.still(time.monotonic())
            opened = script.opened
            await asyncio.sleep(0.3)
            assert script.opened == opened
        script.blocked.set()
        await until(lambda: not any(thread.name == "capture-Front" for thread in threading.enumerate()))
        cam.restart()
        await until(lambda: cam.state is CameraState.IDLE)


async def test_a_restart_opens_the_device_again_and_keeps_its_viewers() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            cam.restart()
            await until(lambda: script.opened == 2)
            await until(lambda: cam.state is CameraState.LIVE)


async def test_stopping_leaves_no_thread_and_closes_the_device() -> None:
    script = Script()
    cam = camera(script)
    states: list[CameraState] = []
    async with supervised(cam):
        await idle(cam)
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            cam.on_change.append(lambda: states.append(cam.state))
            await cam.stop()
            assert CameraState.STARTING not in states
    assert script.closed == 1
    # The thread reports that the source is closed just before it ends.
    await until(lambda: not any(thread.name == "capture-Front" for thread in threading.enumerate()), 1)


async def test_a_failing_camera_does_not_affect_another() -> None:
    bad, good = Script(fail_open="gone"), Script()
    failing, live = camera(bad, "bad"), camera(good, "good")
    async with supervised(failing, live):
        with failing.viewing(viewer()), live.viewing(viewer()):
            await until(lambda: live.state is CameraState.LIVE and failing.state is CameraState.FAILING)
            before, began = good.frames, time.monotonic()
            await asyncio.sleep(1)
            assert (good.frames - before) / (time.monotonic() - began) > 30
            assert failing.state is CameraState.FAILING


class RaisingListener:
    """A listener with a bug in every method."""

    def demanded_until(self) -> float:
        """Raise instead of answering."""
        raise ZeroDivisionError("a bug in demanded_until")

    def source_opened(self, info: SourceInfo, controls: Mapping[str, Control]) -> None:
        """Raise."""
        raise ZeroDivisionError(f"a bug in source_opened: {info} {controls}")

    def picture_received(self, picture: Picture, capture_drops: int) -> None:
        """Raise."""
        raise ZeroDivisionError(f"a bug in picture_received: {len(picture.jpeg)} {capture_drops}")

    def picture_replaced(self, picture: Picture) -> None:
        """Raise."""
        raise ZeroDivisionError(f"a bug in picture_replaced: {len(picture.jpeg)}")

    def pictures_dropped(self, count: int) -> None:
        """Raise."""
        raise ZeroDivisionError(f"a bug in pictures_dropped: {count}")

    def size_changed(self, size: tuple[int, int]) -> None:
        """Raise."""
        raise ZeroDivisionError(f"a bug in size_changed: {size}")

    def state_changed(self) -> None:
        """Raise."""
        raise ZeroDivisionError("a bug in state_changed")


async def test_a_listener_that_raises_does_not_end_the_supervisor(caplog: pytest.LogCaptureFixture) -> None:
    script = Script()
    supervised_source = supervisor.Supervisor("Front", lambda: script.source(SourceSettings()), RaisingListener())
    supervised_source.start()
    await until(lambda: script.opened == 1 and supervised_source.status.state is CameraState.IDLE)
    supervised_source.restart()
    await until(lambda: script.opened == 2 and supervised_source.status.state is CameraState.IDLE)
    assert script.frames > 0
    assert script.capturing == 0
    await supervised_source.stop()
    for method in ("demanded_until", "source_opened", "picture_received", "state_changed"):
        assert f"ZeroDivisionError: a bug in {method}" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_listener_that_raises_does_not_affect_the_camera_or_other_listeners(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def raising_listener() -> None:
        raise ZeroDivisionError("a bug in a listener")

    states: list[CameraState] = []
    cam = camera(Script())
    cam.on_change += [raising_listener, lambda: states.append(cam.state)]
    async with supervised(cam):
        await idle(cam)
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
        await until(lambda: cam.state is CameraState.IDLE)
    assert CameraState.LIVE in states
    assert states[-1] is CameraState.IDLE
    assert "ZeroDivisionError: a bug in a listener" in caplog.text
    assert "Traceback" in caplog.text


async def test_a_thread_that_cannot_be_started_is_a_failure_like_any_other(monkeypatch: pytest.MonkeyPatch) -> None:
    start = threading.Thread.start

    def refuse(thread: threading.Thread) -> None:
        if thread.name == "capture-Front":
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", refuse)
    async with supervised(cam := camera(Script())):
        await until(lambda: cam.state is CameraState.FAILING)
        assert cam.reason == "no thread for the camera: can't start new thread"
        monkeypatch.setattr(threading.Thread, "start", start)
        await until(lambda: cam.available)


async def test_a_control_job_that_takes_too_long_is_reported_and_later_jobs_still_run() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        release = threading.Event()

        def block(_: Source) -> None:
            release.wait(5)

        with pytest.raises(SourceError, match="did not answer within"):
            await cam.supervisor.run(block)
        calls: list[str] = []
        with pytest.raises(SourceError, match="did not answer within"):
            await cam.supervisor.run(lambda _: calls.append("cancelled"))
        release.set()
        await cam.supervisor.run(lambda _: calls.append("run"))
        assert calls == ["run"]


async def test_a_control_of_a_camera_that_has_been_replaced_meanwhile_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        replaced = {"zoom": Control("zoom", "integer", 0, 0, 0, 9, 1)}
        monkeypatch.setattr(ScriptedSource, "controls", lambda _: replaced)
        with pytest.raises(ControlError, match="there is no control 'brightness'; there is: zoom"):
            await cam.set_controls({"brightness": 2})
        assert script.brightness == 0


async def test_jobs_beyond_the_limit_are_refused_and_the_others_are_run() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await idle(cam)
        release = threading.Event()
        results = asyncio.gather(
            cam.supervisor.run(lambda _: release.wait(5)),
            *(cam.supervisor.run(lambda _, number=number: number) for number in range(20)),  # type: ignore[misc]  # mypy infers no default
            return_exceptions=True,
        )
        await asyncio.sleep(0.05)
        release.set()
        answers = await results
    refused = [answer for answer in answers if isinstance(answer, SourceError)]
    assert 1 <= len(refused) <= 5
    assert all("busy" in str(error) for error in refused)
    assert len(answers) - len(refused) >= 16


async def test_an_exception_of_a_job_is_raised_where_it_is_awaited() -> None:
    async with supervised(cam := camera(Script())):
        await idle(cam)
        with pytest.raises(ZeroDivisionError):
            await cam.supervisor.run(lambda _: 1 / 0)
        await idle(cam)


async def test_a_camera_is_not_blamed_for_a_process_that_stood_still() -> None:
    """As after a SIGSTOP: neither the event loop nor the driver ran, and the deadlines have passed."""
    script = Script()
    states: list[CameraState] = []
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            cam.on_change.append(lambda: states.append(cam.state))
            script.blocked.clear()
            time.sleep(1.2)  # noqa: ASYNC251 - the event loop stands still
            script.blocked.set()
            await asyncio.sleep(0.6)
        assert script.opened == 1
        assert CameraState.FAILING not in states
