"""Switching a camera off while its driver hangs, fails or is slow."""

import asyncio
import contextlib
import threading
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraOffError
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceInfo

from tests.server.support.published_frames import Watch, viewer
from tests.server.support.scripted_camera import Script, ScriptedSource, camera, supervised, until

pytestmark = pytest.mark.usefixtures("short_timeouts")


def capture_threads() -> int:
    return sum(thread.name == "capture-Front" for thread in threading.enumerate())


@contextlib.asynccontextmanager
async def hung(script: Script) -> AsyncIterator[Camera]:
    """Run a camera that somebody watches and whose driver hangs until `script.blocked` is set."""
    async with supervised(cam := camera(script, linger=5)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.LIVE)
            script.blocked.clear()
            # The driver takes the picture that it has begun before it hangs.
            await asyncio.sleep(0.1)
            yield cam


async def test_a_control_that_waits_for_a_driver_fails_as_soon_as_the_camera_is_switched_off() -> None:
    script = Script()
    async with supervised(cam := camera(script, linger=5)):
        await cam.still(time.monotonic())
        script.blocked.clear()
        await asyncio.sleep(0.1)
        setting = asyncio.create_task(cam.set_controls({"brightness": 2}))
        await asyncio.sleep(0.05)
        cam.disable()
        began = time.monotonic()
        with pytest.raises(CameraOffError):
            await setting
        assert time.monotonic() - began < 0.1
        script.blocked.set()
        await until(lambda: script.closed == 1)
        assert script.brightness == 0


@pytest.mark.parametrize("seconds", [0.1, 1.5])
async def test_a_driver_call_that_hangs_closes_as_soon_as_it_returns_and_its_picture_does_not_pass(
    monkeypatch: pytest.MonkeyPatch, seconds: float
) -> None:
    script = Script()
    async with hung(script) as cam:
        cam.disable()
        watch = Watch(cam, monkeypatch)
        # Longer than every timeout: a camera that is off does not fail.
        await asyncio.sleep(seconds)
        assert cam.state is CameraState.OFF
        script.blocked.set()
        assert await until(lambda: script.closed == 1) < 0.2
        await asyncio.sleep(0.2)
        assert watch.live == []
        assert (cam.state, cam.status.last_error, cam.status.restarts) == (CameraState.OFF, None, 0)
        assert script.opened == 1


async def test_a_picture_of_a_hung_driver_does_not_pass_after_switching_on_again_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was exposed while the camera was off."""
    script = Script(picture=b"\xff\xd8 taken while off \xff\xd9")
    async with hung(script) as cam:
        cam.disable()
        watch = Watch(cam, monkeypatch)
        cam.enable()
        enabled = script.opened
        script.blocked.set()
        await until(lambda: bool(watch.live))
        assert script.opened == enabled + 1
        assert script.closed == 1


async def test_a_driver_that_hangs_for_good_is_left_alone_after_switching_on_again() -> None:
    script = Script()
    async with hung(script) as cam:
        cam.disable()
        await asyncio.sleep(0.5)
        cam.enable()
        assert await until(lambda: cam.state is CameraState.FAILING) < 0.7
        assert "did not stop" in (cam.reason or "")
        script.blocked.set()
        await until(lambda: cam.state is CameraState.LIVE)


async def test_switching_on_and_off_does_not_pile_up_threads_of_a_driver_that_hangs() -> None:
    script = Script()
    async with hung(script) as cam:
        await until(lambda: cam.state is CameraState.STUCK, 10)
        threads = capture_threads()
        for _ in range(20):
            cam.disable()
            await asyncio.sleep(0.01)
            assert not cam.enabled
            cam.enable()
            await asyncio.sleep(0.01)
            assert cam.state is CameraState.STUCK
        assert capture_threads() <= threads
        cam.disable()
        script.blocked.set()
        await asyncio.sleep(0.1)
        cam.enable()
        await until(lambda: cam.state is CameraState.LIVE)


class SlowSource(ScriptedSource):
    """A source that takes its time to be made, to open and to give its first picture."""

    at = "made"

    def __init__(self, script: Script, gate: threading.Event, at: str) -> None:
        """Wait for the gate at one of the three."""
        super().__init__(script)
        self._gate, self._at = gate, at
        self._wait("make")

    def open(self) -> SourceInfo:
        """Open after the gate."""
        info = super().open()
        self._wait("open")
        return info

    def frames(self) -> Iterator[Picture | None]:
        """Yield after the gate."""
        self._wait("frames")
        yield from super().frames()

    def _wait(self, at: str) -> None:
        if at == self._at:
            self._gate.wait()


@pytest.mark.parametrize(("at", "opened"), [("make", 0), ("open", 1), ("frames", 1)])
async def test_a_camera_that_is_starting_closes_as_soon_as_the_driver_returns(
    monkeypatch: pytest.MonkeyPatch, at: str, opened: int
) -> None:
    script, gate = Script(), threading.Event()
    cam = Camera(CameraSettings("front", "Front"), lambda _: SlowSource(script, gate, at))
    async with supervised(cam):
        with cam.viewing(viewer()):
            await until(lambda: script.opened == opened and cam.state is CameraState.STARTING)
            await asyncio.sleep(0.1)
            watch = Watch(cam, monkeypatch)
            cam.disable()
            assert await until(lambda: bool(watch.frames), 1) < 1
            gate.set()
            assert await until(lambda: script.closed == 1) < 0.2
            await asyncio.sleep(0.1)
            assert watch.live == []
            # A library that takes ten seconds to import must not light the camera after that.
            assert script.opened == opened


async def test_a_failing_camera_is_off_at_once_and_not_tried_again() -> None:
    script = Script(fail_open="the ribbon is loose")
    async with supervised(cam := camera(script)):
        with cam.viewing(viewer()):
            await until(lambda: cam.state is CameraState.FAILING)
            cam.disable()
            assert (cam.reason, cam.status.last_error, cam.status.next_try) == (None, None, None)
            opened = script.opened
            await asyncio.sleep(0.5)
            assert script.opened <= opened + 1
            opened = script.opened
            await asyncio.sleep(0.3)
            assert script.opened == opened
            assert cam.state is CameraState.OFF
            assert cam.status.last_error is None


@pytest.mark.parametrize("fault", ["fail_open", "raise_in_frames"])
async def test_an_error_of_the_driver_while_it_closes_is_no_failure(fault: str) -> None:
    script = Script()
    async with hung(script) as cam:
        setattr(script, fault, "it was unplugged")
        cam.disable()
        script.blocked.set()
        await until(lambda: script.closed == 1)
        await asyncio.sleep(0.1)
        assert (cam.state, cam.status.last_error) == (CameraState.OFF, None)


async def test_a_restart_that_hangs_is_told_even_if_viewers_come_all_the_time() -> None:
    script = Script()
    async with hung(script) as cam:
        cam.restart()
        began = time.monotonic()
        while cam.state is not CameraState.FAILING:
            assert time.monotonic() - began < 1
            cam.supervisor.wake()
            await asyncio.sleep(0.02)
        script.blocked.set()
