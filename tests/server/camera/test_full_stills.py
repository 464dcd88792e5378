"""Full-size stills: one interruption for all who wait, not too often, and nothing of it in the stream."""

import asyncio
import logging
import threading
import time
from functools import partial
from itertools import pairwise

import pytest
from pi_mjpeg_server.camera import full_stills, still_taker, supervisor
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraBusyError, CameraOffError, CameraUnavailableError
from pi_mjpeg_server.camera.full_stills import FullStill
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import SourceSettings, StillError

from tests.server.support.published_frames import Watch, viewer
from tests.server.support.scripted_camera import Script, camera, level_of, supervised, until
from tests.server.support.scripted_stills import STILL_SIZE, StillScript, waiting

pytestmark = pytest.mark.usefixtures("short_timeouts")

RECOVERY_TIMEOUT = 0.6 * 4
"""Six seconds, a tenth as the timeouts are, on a machine four times slower."""


@pytest.fixture
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_stills, "MIN_DISTANCE", 0.0)
    monkeypatch.setattr(full_stills, "DISTANCE_PER_GAP", 0.0)


def test_a_camera_that_hangs_in_a_still_can_be_back_within_six_seconds() -> None:
    """With the real time-outs, but for what the device takes to open."""
    assert supervisor.STILL_TIMEOUT + supervisor.RETRY_DELAYS[0] <= 5


async def take(cam: Camera) -> FullStill:
    return await asyncio.wait_for(cam.full_stills.take(), 10)


async def live(cam: Camera) -> None:
    """Wait for a new live picture."""
    after = time.monotonic()
    await until(lambda: (latest := cam.broadcast.latest) is not None and not latest.drawn and latest.taken > after)


@pytest.mark.usefixtures("_often")
async def test_a_still_is_larger_and_nobody_sees_it_in_the_stream_in_clips_or_in_motion(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    script = StillScript()
    async with supervised(cam := camera(script)):
        recorded: set[tuple[int, int]] = set()
        with cam.viewing(viewer()), cam.recording(lambda frame: recorded.add(jpeg.size(frame.jpeg))):
            await live(cam)
            watch, states = Watch(cam, monkeypatch), {cam.state}
            cam.on_change.append(lambda: states.add(cam.state))
            for _ in range(3):
                still = await take(cam)
                assert jpeg.size(still.frame.jpeg) == STILL_SIZE
                assert level_of(still.frame.jpeg) == 255
                assert 0 < still.gap < 1
            await asyncio.sleep(0.1)
            seen = {jpeg.size(frame.jpeg) for frame in (*watch.frames, *cam.ring.since(0))}
            assert seen | recorded == {(64, 48)}
            assert cam.source_info.size == (64, 48)
            assert len(watch.live) == len(watch.frames)
            assert (states, cam.status.restarts, script.opened) == ({CameraState.LIVE}, 0, 1)
            assert (script.still_runs, script.overlaps) == (3, 0)


@pytest.mark.usefixtures("_often")
async def test_the_gap_is_the_time_in_which_viewers_get_no_new_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    script = StillScript(before={"expose": lambda: time.sleep(0.3)})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            watch = Watch(cam, monkeypatch)
            still = await take(cam)
            await asyncio.sleep(0.1)
            times = [frame.taken for frame in watch.live]
            longest = max(later - earlier for earlier, later in pairwise(times))
            assert still.gap == pytest.approx(longest)
            assert still.gap >= 0.3


async def test_all_who_ask_at_once_get_the_same_still() -> None:
    script = StillScript(before={"configure": lambda: time.sleep(0.2)})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            asked = [asyncio.create_task(take(cam)) for _ in range(20)]
            await until(lambda: script.still_runs == 1)
            asked += [asyncio.create_task(take(cam)) for _ in range(20)]
            stills = await asyncio.gather(*asked)
            assert len({id(still.frame) for still in stills}) == 1
            assert script.still_runs == 1


@pytest.mark.usefixtures("_often")
async def test_who_asks_at_the_moment_when_a_still_is_ready_gets_the_next_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its task has ended then, but nothing that follows from that has happened yet."""
    monkeypatch.setattr(full_stills.FullStills, "_ended", lambda *_: None)
    async with supervised(cam := camera(script := StillScript())):
        first, second = [await take(cam) for _ in range(2)]
        assert second.frame.taken > first.frame.taken
        assert script.still_runs == 2


async def test_who_asks_after_the_exposure_is_not_given_an_older_picture() -> None:
    coming_back = threading.Event()
    script = StillScript(before={"back": waiting(coming_back, seconds=0.2)})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            first = asyncio.create_task(take(cam))
            await asyncio.to_thread(coming_back.wait, 5)
            with pytest.raises(CameraBusyError, match="try again in"):
                await take(cam)
            assert (await first).gap > 0.2
            assert script.still_runs == 1


@pytest.mark.parametrize("fails", [False, True])
async def test_who_asks_in_a_loop_leaves_the_viewers_most_of_the_time(
    monkeypatch: pytest.MonkeyPatch, *, fails: bool
) -> None:
    monkeypatch.setattr(full_stills, "MIN_DISTANCE", 0.01)

    def slow() -> None:
        time.sleep(0.1)
        if fails:
            raise StillError("no")

    script = StillScript(before={"expose": slow})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            began = time.monotonic()
            interrupted, refused = 0.0, 0
            while time.monotonic() < began + 2:
                asked = time.monotonic()
                try:
                    await take(cam)
                except CameraBusyError:
                    refused += 1
                    await asyncio.sleep(0.01)
                except CameraUnavailableError:
                    interrupted += time.monotonic() - asked
                else:
                    interrupted += time.monotonic() - asked
            assert refused > 10
            assert script.still_runs >= 2
            assert interrupted < 0.4 * (time.monotonic() - began)


async def test_the_distance_is_said_in_words_and_seconds() -> None:
    async with supervised(cam := camera(StillScript())):
        await take(cam)
        with pytest.raises(CameraBusyError, match="interrupts its live picture; try again in 3 s") as raised:
            await take(cam)
        assert 2 < raised.value.retry_after <= full_stills.MIN_DISTANCE


async def test_the_camera_is_opened_for_a_still_and_closed_after_the_linger() -> None:
    script = StillScript()
    async with supervised(cam := camera(script, linger=0.3)):
        await until(lambda: cam.state is CameraState.IDLE and script.frames > 0)
        frames = script.frames
        still = await take(cam)
        assert jpeg.size(still.frame.jpeg) == STILL_SIZE
        assert script.frames > frames
        assert 0.1 < await until(lambda: cam.state is CameraState.IDLE) < 2
        assert script.capturing == 0


@pytest.mark.parametrize("script", [StillScript(still=None), Script()], ids=["none larger", "no stills"])
async def test_where_nothing_is_gained_the_usual_still_is_given_at_once_and_as_often_as_asked(script: Script) -> None:
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            captures = script.captures
            for _ in range(5):
                asked = time.monotonic()
                still = await take(cam)
                assert jpeg.size(still.frame.jpeg) == (64, 48)
                assert still.gap == 0
                assert still.frame.taken >= asked
            assert script.captures == captures


async def test_a_size_that_is_accepted_of_no_camera_is_refused_before_anything_is_interrupted() -> None:
    script = StillScript(still=(12000, 9000))
    async with supervised(cam := camera(script)):
        with pytest.raises(CameraUnavailableError, match="12000x9000 pixels is too large"):
            await take(cam)
        assert script.still_runs == 0


async def test_stills_whose_exposure_has_not_settled_or_that_come_while_the_camera_warms_up_are_left_out() -> None:
    script = StillScript(unsettled=3)
    settings = CameraSettings("front", "Front", "scripted", 0.1, SourceSettings(size=(64, 48)), warm_up=0.2)
    async with supervised(cam := Camera(settings, script.source)):
        still = await take(cam)
        assert script.stills >= 4
        assert still.gap >= 0.2


async def test_what_costs_only_the_still_is_said_and_the_device_stays_open() -> None:
    def refuse() -> None:
        raise StillError("the kernel has no memory")

    script = StillScript(before={"configure": refuse})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            with pytest.raises(CameraUnavailableError, match=r"no full-size still .*: the kernel has no memory"):
                await take(cam)
            await live(cam)
            assert (script.opened, cam.status.restarts, cam.state) == (1, 0, CameraState.LIVE)


async def test_a_still_that_never_comes_is_given_up() -> None:
    script = StillScript(unsettled=1_000_000)
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            with pytest.raises(CameraUnavailableError, match="no still came within"):
                await take(cam)
            await live(cam)
            assert (script.opened, cam.state) == (1, CameraState.LIVE)


async def test_a_driver_that_is_slow_in_each_step_is_not_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(still_taker, "MAX_HEARTBEAT", 0.05)
    monkeypatch.setattr(supervisor, "STILL_TIMEOUT", 1.0)
    slow = partial(time.sleep, 0.6)
    script = StillScript(before={"configure": slow, "expose": slow, "back": slow}, unsettled=1)
    async with supervised(cam := camera(script)):
        assert (await take(cam)).gap > 2
        assert (script.opened, cam.status.restarts) == (1, 0)


@pytest.mark.parametrize("step", ["configure", "expose", "back"])
@pytest.mark.parametrize("hangs", [False, True], ids=["raises", "hangs"])
async def test_a_camera_that_fails_in_a_still_is_opened_again(step: str, *, hangs: bool) -> None:
    ended = threading.Event()

    def fail() -> None:
        script.before.clear()
        if hangs:
            ended.wait(10)
        raise RuntimeError("the driver is broken")

    script = StillScript(before={step: fail})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            asked = asyncio.create_task(take(cam))
            began = time.monotonic()
            await until(lambda: script.still_runs == 1)
            await until(lambda: script.opened == 2)
            await live(cam)
            assert time.monotonic() - began < RECOVERY_TIMEOUT
            (outcome,) = await asyncio.gather(asked, return_exceptions=True)
            if step == "back" and not hangs:
                # The picture is there, whatever happens to the camera after it.
                assert isinstance(outcome, FullStill)
            else:
                assert isinstance(outcome, CameraUnavailableError)
            assert cam.status.restarts == 1
            ended.set()
        await until(lambda: script.closed >= 1)


@pytest.mark.parametrize("step", ["configure", "expose", "back"])
async def test_switching_off_refuses_a_still_at_once_whatever_the_driver_does(step: str) -> None:
    reached, ended = threading.Event(), threading.Event()

    script = StillScript(before={step: waiting(reached, ended)})
    async with supervised(cam := camera(script, linger=5)):
        asked = asyncio.create_task(take(cam))
        await asyncio.to_thread(reached.wait, 5)
        began = time.monotonic()
        cam.disable()
        # What was taken before is not given to anybody when it is on again either.
        cam.enable()
        with pytest.raises(CameraUnavailableError):
            await asked
        assert time.monotonic() - began < 0.3
        cam.disable()
        with pytest.raises(CameraOffError):
            await take(cam)
        script.before.clear()
        ended.set()
        await until(lambda: script.closed == 1)


@pytest.mark.usefixtures("_often")
async def test_a_still_is_withdrawn_with_the_frames_before_it() -> None:
    async with supervised(cam := camera(StillScript(), linger=5)):
        still = await take(cam)
        cam.raise_if_withdrawn(still.frame)
        cam.disable()
        cam.enable()
        with pytest.raises(CameraOffError):
            cam.raise_if_withdrawn(still.frame)
        cam.raise_if_withdrawn((await take(cam)).frame)


async def test_a_still_of_which_no_frame_was_published_since_is_withdrawn_too() -> None:
    async with supervised(cam := camera(script := StillScript(), linger=5)):
        await live_once(cam)
        make_frame = cam._frames.reserve()  # noqa: SLF001  (as if the camera were switched off while it is exposed)
        cam.disable()
        cam.enable()
        source = script.source(SourceSettings())
        pictures = source.stills()
        frame = make_frame(next(picture for picture in pictures if picture is not None))
        with pytest.raises(CameraOffError):
            cam.raise_if_withdrawn(frame)


async def live_once(cam: Camera) -> None:
    await cam.still(time.monotonic())


@pytest.mark.usefixtures("_often")
async def test_a_restart_on_request_ends_a_still_and_the_camera_comes_back() -> None:
    reached, ended = threading.Event(), threading.Event()

    script = StillScript(before={"expose": waiting(reached, ended)})
    async with supervised(cam := camera(script, linger=5)):
        asked = asyncio.create_task(take(cam))
        await asyncio.to_thread(reached.wait, 5)
        cam.restart()
        with pytest.raises(CameraUnavailableError, match="being closed"):
            await asked
        script.before.clear()
        ended.set()
        assert jpeg.size((await take(cam)).frame.jpeg) == STILL_SIZE


async def test_who_leaves_before_the_still_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)

    def fail() -> None:
        time.sleep(0.1)
        raise StillError("no")

    script = StillScript(before={"configure": fail})
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await live(cam)
            asked = asyncio.create_task(take(cam))
            await until(lambda: script.still_runs == 1)
            asked.cancel()
            await asyncio.gather(asked, return_exceptions=True)
            await live(cam)
            assert cam.state is CameraState.LIVE
    assert caplog.records == []


async def test_the_end_of_the_server_does_not_wait_for_a_still() -> None:
    reached, ended = threading.Event(), threading.Event()
    script = StillScript(before={"expose": waiting(reached, ended)})
    cam = camera(script)
    cam.start()
    asked = asyncio.create_task(take(cam))
    await asyncio.to_thread(reached.wait, 5)
    began = time.monotonic()
    await cam.stop()
    assert time.monotonic() - began < 2
    asked.cancel()
    await asyncio.gather(asked, return_exceptions=True)
    ended.set()


async def test_controls_that_are_set_during_a_still_are_set_after_it() -> None:
    reached = threading.Event()
    script = StillScript(before={"expose": waiting(reached, seconds=0.2)})
    async with supervised(cam := camera(script)):
        asked = asyncio.create_task(take(cam))
        await asyncio.to_thread(reached.wait, 5)
        await cam.set_controls({"brightness": 4})
        assert script.brightness == 4
        assert (await asked).gap > 0.2
