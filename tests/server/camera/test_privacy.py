"""A camera that is switched off: its device is closed, no picture passes, and viewers are told."""

import asyncio
import logging
import time

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraOffError, CameraUnavailableError
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media import placard
from pi_mjpeg_server.sources import SourceSettings

from tests.server.support.published_frames import Watch, viewer
from tests.server.support.scripted_camera import Script, ScriptedSource, camera, supervised, until

pytestmark = pytest.mark.usefixtures("short_timeouts")


async def test_switching_off_closes_the_device_at_once_and_viewers_see_a_drawn_picture(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    titles: list[str] = []
    draw = placard.draw

    def record(size: tuple[int, int], title: str, reason: str, since: float, now: float) -> bytes:
        titles.append(f"{title} / {reason}")
        return draw(size, title, reason, since, now)

    monkeypatch.setattr(placard, "draw", record)
    script = Script()
    async with supervised(cam := camera(script, linger=60)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            watch = Watch(cam, monkeypatch)
            cam.disable()
            assert cam.broadcast.latest is None
            assert (cam.state, cam.enabled, cam.available, cam.reason) == (CameraState.OFF, False, False, None)
            assert await until(lambda: script.closed == 1) < 0.2
            assert script.capturing == 0
            assert await until(lambda: bool(watch.frames)) < 1
            await asyncio.sleep(2.2)
            assert 2 <= len(watch.frames) <= 4
            assert watch.live == []
            assert set(titles) == {"Camera is off / Front"}
        # A viewer who comes later is told at once.
        await asyncio.sleep(0.1)
        count = len(watch.frames)
        with cam.viewing(viewer()):
            assert await until(lambda: len(watch.frames) > count, 2) < 1.1
        assert script.opened == 1


async def test_switching_on_brings_pictures_by_itself() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            cam.disable()
            await until(lambda: script.closed == 1)
            cam.enable()
            assert cam.enabled
            frame = await asyncio.wait_for(cam.still(time.monotonic()), 2)
            assert not frame.drawn
            assert script.opened == 2


async def test_a_camera_that_is_switched_on_without_viewers_says_whether_it_works() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await until(lambda: cam.state is CameraState.IDLE)
        cam.disable()
        script.fail_open = "unplugged"
        await asyncio.sleep(0.2)
        assert cam.state is CameraState.OFF
        cam.enable()
        await until(lambda: cam.state is CameraState.FAILING)
        script.fail_open = None
        await until(lambda: cam.state is CameraState.IDLE)


async def test_a_camera_that_is_off_at_the_start_is_never_opened(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    made: list[SourceSettings] = []
    script = Script()

    def make_source(settings: SourceSettings) -> ScriptedSource:
        made.append(settings)
        return script.source(settings)

    cam = Camera(CameraSettings("front", "Front"), make_source)
    cam.disable("the privacy settings cannot be read")
    async with supervised(cam):
        with cam.viewing(viewer()):
            frame = await asyncio.wait_for(cam.broadcast.newer_than(-1), 1)
            assert frame.drawn
        await asyncio.sleep(0.5)
        assert made == []
        assert (cam.state, cam.reason) == (CameraState.OFF, "the privacy settings cannot be read")
        with pytest.raises(CameraOffError, match="Front is switched off: the privacy settings cannot be read"):
            await cam.still(time.monotonic())
        # A person says so: nothing has to be explained any more.
        cam.disable()
        assert (cam.state, cam.reason) == (CameraState.OFF, None)
    assert all(record.levelno < logging.WARNING for record in caplog.records)


async def test_everything_that_wants_a_picture_or_sets_something_is_refused() -> None:
    script = Script()
    async with supervised(cam := camera(script, linger=5)):
        await cam.still(time.monotonic())
        cam.disable()
        for max_age in (0, 60):
            with pytest.raises(CameraOffError, match="Front is switched off"):
                await cam.still(time.monotonic() - max_age)
        with pytest.raises(CameraOffError):
            await cam.set_controls({"brightness": 2})
        with pytest.raises(CameraOffError):
            cam.restart()
        await asyncio.sleep(0.3)
        assert (script.opened, script.closed, script.brightness) == (1, 1, 0)


async def test_the_last_live_picture_is_not_used_after_switching_on_again() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        old = await cam.still(time.monotonic())
        cam.disable()
        cam.enable()
        frame = await cam.still(time.monotonic() - 60)
        assert frame.sequence > old.sequence
        assert cam.broadcast.is_withdrawn(old)
        assert not cam.broadcast.is_withdrawn(frame)
        with pytest.raises(CameraOffError):
            cam.raise_if_withdrawn(old)


async def test_a_still_that_waits_fails_as_soon_as_the_camera_is_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    # It does not wait for the picture that viewers are shown.
    monkeypatch.setattr(placard, "draw", lambda *_: time.sleep(0.3))
    script = Script(silent=True)
    async with supervised(cam := camera(script)):
        still = asyncio.create_task(cam.still(time.monotonic()))
        await until(lambda: script.capturing == 1)
        cam.disable()
        began = time.monotonic()
        with pytest.raises(CameraOffError):
            await still
        assert time.monotonic() - began < 0.1


@pytest.mark.parametrize("live", [True, False])
async def test_on_off_on_in_one_iteration_of_the_loop_gives_pictures_and_one_device(live: bool) -> None:  # noqa: FBT001
    script = Script()
    async with supervised(cam := camera(script, linger=0.1)):
        await until(lambda: cam.capture_rate.count > 0 and cam.state is CameraState.IDLE)
        with cam.viewing(viewer()):
            if live:
                await until(lambda: cam.state is CameraState.LIVE)
            for _ in range(5):
                cam.enable()
                cam.disable()
                cam.enable()
            frame = await asyncio.wait_for(cam.still(time.monotonic()), 2)
            assert not frame.drawn
            assert (script.opened, script.closed, script.capturing) == (2, 1, 1)


async def test_off_on_off_in_one_iteration_of_the_loop_stays_off() -> None:
    script = Script()
    async with supervised(cam := camera(script, linger=5)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            for _ in range(5):
                cam.disable()
                cam.enable()
                cam.disable()
            await until(lambda: script.closed == 1)
            await asyncio.sleep(0.3)
            assert (script.opened, script.capturing, cam.state) == (1, 0, CameraState.OFF)


async def test_a_camera_can_be_switched_while_it_stops() -> None:
    script = Script()
    cam = camera(script, linger=5)
    cam.start()
    with cam.viewing(viewer()):
        await until(lambda: cam.state is CameraState.LIVE)
        stopping = asyncio.create_task(cam.stop())
        await asyncio.sleep(0)
        cam.disable()
        cam.enable()
        cam.disable()
        await asyncio.wait_for(stopping, 1)
    await asyncio.sleep(0.2)
    assert (script.opened, script.closed) == (1, 1)
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_a_change_while_a_placard_is_drawn_is_seen_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    drawing: list[str] = []

    def draw(_size: tuple[int, int], title: str, _reason: str, _since: float, _now: float) -> bytes:
        drawing.append(title)
        time.sleep(0.3)
        return title.encode()

    monkeypatch.setattr(placard, "draw", draw)
    script = Script(fail_open="the ribbon is loose")
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: drawing == ["Front: no picture"])
            watch = Watch(cam, monkeypatch)
            cam.disable()
            await until(lambda: bool(watch.frames))
            # Not the one that was being drawn: it says what is not true any more.
            assert [frame.jpeg for frame in watch.frames] == [b"Camera is off"]
            with pytest.raises(CameraUnavailableError):
                await cam.still(time.monotonic())
