"""Restarts on request are few, and hide nothing of a camera that gives no pictures."""

import asyncio
import contextlib
import threading
import time

import pytest
from pi_mjpeg_server.camera import camera as camera_module
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.camera import RESTART_INTERVAL, Camera
from pi_mjpeg_server.camera.errors import CameraBusyError, CameraUnavailableError
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.sources import DeviceBusyError, SourceInfo

from tests.server.support.scripted_camera import Script, ScriptedSource, camera, supervised, until

EVERY = 0.15


@pytest.fixture
def _frequent_restarts(short_timeouts: None, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: ARG001
    """Allow a restart whenever the tests want one."""
    monkeypatch.setattr(camera_module, "RESTART_INTERVAL", EVERY / 2)


def threads() -> int:
    return sum(thread.name == "capture-Front" for thread in threading.enumerate())


async def restart_for(cam: Camera, seconds: float) -> list[bool]:
    """Restart a camera again and again; return whether it was available after each time."""
    available = []
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            cam.restart()
        except CameraUnavailableError:
            assert cam.state is CameraState.STUCK
        await asyncio.sleep(EVERY)
        available.append(cam.available)
    return available


async def test_a_camera_is_restarted_at_most_once_in_ten_seconds(monkeypatch: pytest.MonkeyPatch) -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        await until(lambda: cam.state is CameraState.IDLE and script.frames > 0)
        cam.restart()
        for _ in range(100):
            with pytest.raises(CameraBusyError, match="at most once in 10 s") as raised:
                cam.restart()
            assert 9 < raised.value.retry_after <= RESTART_INTERVAL
        await until(lambda: cam.state is CameraState.IDLE and script.opened == 2)
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + RESTART_INTERVAL)
        cam.restart()


async def test_restarts_on_request_are_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    async with supervised(cam := camera(Script())):
        caplog.set_level("INFO")
        for _ in range(3000):
            with contextlib.suppress(CameraBusyError):
                cam.restart()
        assert caplog.text.count("restarting on request") == 1
        assert len(caplog.messages) < 10


@pytest.mark.usefixtures("_frequent_restarts")
@pytest.mark.parametrize("script", [Script(silent=True), Script(opening=0.3)], ids=["silent", "slow to open"])
async def test_a_camera_without_a_picture_is_unavailable_however_often_it_is_restarted(script: Script) -> None:
    async with supervised(cam := camera(script)):
        available = await restart_for(cam, 3)
        assert cam.capture_rate.count == 0
        assert not any(available[len(available) // 2 :]), available
        assert cam.state is CameraState.FAILING
        assert "no picture" in (cam.reason or "")
        script.silent = False
        await until(lambda: cam.available and cam.capture_rate.count > 0)


@pytest.mark.usefixtures("_frequent_restarts")
async def test_a_live_camera_that_stops_giving_pictures_is_unavailable_however_often_it_is_restarted() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            script.silent = True
            available = await restart_for(cam, 3)
            assert not any(available[len(available) // 2 :]), available
            script.silent = False
            await until(lambda: cam.state is CameraState.LIVE)


@pytest.mark.usefixtures("_frequent_restarts")
async def test_a_driver_that_never_returns_is_stuck_however_often_it_is_restarted() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            script.blocked.clear()
            restarting = asyncio.create_task(restart_for(cam, 8))
            await until(lambda: cam.state is CameraState.STUCK, 8)
            opened = script.opened
            await restarting
            # Each further try would cost another thread.
            assert script.opened == opened
            assert threads() == supervisor.MAX_ABANDONED_THREADS
            await asyncio.sleep(EVERY)
            with pytest.raises(CameraUnavailableError, match="only a restart of the service can help"):
                cam.restart()
            script.blocked.set()
            await until(lambda: threads() == 0)
            await asyncio.sleep(EVERY)
            cam.restart()
            await until(lambda: cam.state is CameraState.LIVE)


@pytest.mark.usefixtures("_frequent_restarts")
async def test_viewers_who_come_and_go_do_not_extend_the_time_to_close() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            script.blocked.clear()
            cam.restart()
            for _ in range(20):
                with cam.viewing(ViewerStats("127.0.0.2", None)):
                    await asyncio.sleep(0.05)
            assert cam.state in {CameraState.FAILING, CameraState.STUCK}
        script.blocked.set()


@pytest.mark.usefixtures("_frequent_restarts")
async def test_restarts_that_let_pictures_come_leave_the_camera_available() -> None:
    script = Script()
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            before = cam.capture_rate.count
            assert all(await restart_for(cam, 2))
            assert cam.capture_rate.count > before


class BusyWhileBlocked(ScriptedSource):
    """A device that cannot be opened again while a call of its driver never returns."""

    def open(self) -> SourceInfo:
        """Open the device, unless a call has it."""
        if self._script.capturing:
            self._script.opened += 1
            raise DeviceBusyError("another program has it open")
        return super().open()


@pytest.mark.usefixtures("_frequent_restarts")
async def test_a_device_that_its_own_driver_keeps_busy_is_stuck_however_often_it_is_restarted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(supervisor, "MAX_BUSY_RETRIES", 8)
    script = Script()
    cam = Camera(CameraSettings("front", "Front", "scripted", 0.1), lambda _: BusyWhileBlocked(script))
    async with supervised(cam):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            script.blocked.clear()
            restarting = asyncio.create_task(restart_for(cam, 5))
            await until(lambda: cam.state is CameraState.STUCK, 5)
            opened = script.opened
            await restarting
            assert script.opened == opened
            script.blocked.set()
            await until(lambda: threads() == 0)
            await asyncio.sleep(EVERY)
            cam.restart()
            await until(lambda: cam.state is CameraState.LIVE)
