"""A listener that raises stops neither the supervisor nor other listeners."""

from collections.abc import Mapping

import pytest
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control

from tests.server.support.published_frames import viewer
from tests.server.support.scripted_camera import Script, camera, idle, supervised, until

pytestmark = pytest.mark.usefixtures("short_timeouts")


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
