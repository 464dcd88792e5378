"""A CSI camera with a lens focuses once on request: what is sent to libcamera, and when the run ends."""

import sys
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.focus import focus
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.auto import AutoSource
from pi_mjpeg_server.sources.controls import ControlError
from pi_mjpeg_server.sources.emulated import EmulatedSource
from pi_mjpeg_server.sources.focus import FocusRun
from pi_mjpeg_server.sources.picamera2 import Picamera2Source

from tests.server.sources.test_picamera2_controls import members
from tests.server.support.fake_sensor import CONTROLS, SIZE, FakeSensor, Untyped
from tests.server.support.scripted_camera import supervised, until

IDLE, SCANNING, FOCUSED, FAILED = range(4)
MANUAL, SINGLE, CONTINUOUS = range(3)


class FakeLens:
    """A sensor whose lens takes a trigger in the mode Auto only, and tells of it some frames later."""

    def __init__(self, camera: Untyped, result: int = FOCUSED) -> None:
        self.result = result
        self.sent: list[dict[str, Any]] = []
        self.mode: object = MANUAL
        sys.modules["libcamera.controls"].AfModeEnum = members("Manual", "Auto", "Continuous")  # type: ignore[attr-defined]  # stands in
        camera.return_value.camera_controls = CONTROLS | {"AfMode": (0, 2, 0), "LensPosition": (0.0, 32.0, 1.0)}
        self.sensor = FakeSensor(camera.return_value, {"AfState": FOCUSED, "LensPosition": 1.0})
        camera.return_value.set_controls.side_effect = self.set

    def set(self, sent: dict[str, Any]) -> None:
        """Take controls, and start to scan if one of them is the trigger."""
        self.sent.append(sent)
        self.mode = sent.get("AfMode", self.mode)
        if sent.get("AfTrigger") == 0 and self.mode == SINGLE:
            late: list[dict[str, object]] = [{"AfState": FOCUSED, "LensPosition": 1.0}] * 3
            scanning: list[dict[str, object]] = [{"AfState": SCANNING, "LensPosition": float(at)} for at in range(6)]
            self.sensor.metadata[:] = [*late, *scanning, {"AfState": self.result, "LensPosition": 7.5}]


Open = Callable[..., Picamera2Source]


def run_focus(source: Picamera2Source) -> bool | None:
    """Focus while pictures come. Return the result, None if there is none after two seconds."""
    frames = source.frames()
    next(frames)
    source.start_focus()
    assert source.focus_result() is None
    until = time.monotonic() + 2
    pictures = 0
    while source.focus_result() is None and time.monotonic() < until:
        pictures += next(frames) is not None
    assert pictures > 1
    list(islice(frames, 3))
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    return source.focus_result()


@pytest.mark.parametrize("result", [FOCUSED, FAILED])
def test_a_continuous_focus_is_continuous_again_after_the_run(camera: Untyped, result: int) -> None:
    lens = FakeLens(camera, result)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    assert run_focus(source) is (result == FOCUSED)
    assert lens.sent[1:] == [{"AfMode": SINGLE, "AfTrigger": 0}, {"AfMode": CONTINUOUS}]
    assert source.controls()["AfMode"].value == "Continuous"


def test_with_manual_focus_the_lens_stays_where_it_is_then_also_after_a_rest(camera: Untyped) -> None:
    lens = FakeLens(camera)
    source = Picamera2Source(SourceSettings(size=SIZE, controls={"LensPosition": 3.0}))
    source.open()
    assert run_focus(source) is True
    assert lens.sent[2:] == [{"AfMode": MANUAL, "LensPosition": 7.5}]
    assert source.controls()["LensPosition"].value == 7.5
    frames = source.frames()
    next(frames)
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert lens.sent[-1]["LensPosition"] == 7.5


def test_with_manual_focus_the_lens_goes_back_if_there_is_no_focus(camera: Untyped) -> None:
    lens = FakeLens(camera, FAILED)
    source = Picamera2Source(SourceSettings(size=SIZE, controls={"LensPosition": 3.0}))
    source.open()
    assert run_focus(source) is False
    assert lens.sent[2:] == [{"AfMode": MANUAL, "LensPosition": 3.0}]


def test_in_the_mode_for_single_runs_nothing_is_restored(camera: Untyped) -> None:
    lens = FakeLens(camera)
    source = Picamera2Source(SourceSettings(size=SIZE, controls={"AfMode": "Auto"}))
    source.open()
    assert run_focus(source) is True
    assert lens.sent[1:] == [{"AfMode": SINGLE, "AfTrigger": 0}]


def test_a_run_that_is_under_way_is_not_triggered_again_and_a_setting_ends_it(camera: Untyped) -> None:
    lens = FakeLens(camera)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    frames = source.frames()
    next(frames)
    for _ in range(3):
        source.start_focus()
    assert len(lens.sent) == 2
    source.set_control("LensPosition", 4.0)
    assert source.focus_result() is False
    list(islice(frames, 12))
    assert lens.sent[2:] == [{"LensPosition": 4.0, "AfMode": MANUAL}]
    frames.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_capture_that_stops_ends_the_run_and_the_next_one_has_the_mode(camera: Untyped) -> None:
    lens = FakeLens(camera)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    frames = source.frames()
    next(frames)
    source.start_focus()
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert source.focus_result() is False
    frames = source.frames()
    list(islice(frames, 12))
    assert lens.sent[-1]["AfMode"] == CONTINUOUS
    frames.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_camera_without_a_lens_refuses(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    with pytest.raises(ControlError, match="no lens"):
        source.start_focus()
    with pytest.raises(ControlError, match="no lens"):
        AutoSource(SourceSettings()).start_focus()


@pytest.mark.parametrize(
    ("states", "focused"),
    [
        ([(0.1, FOCUSED), (0.2, SCANNING), (0.9, FOCUSED)], True),
        ([(0.1, FOCUSED), (0.2, SCANNING), (0.9, FAILED)], False),
        ([(0.1, SCANNING), (0.5, IDLE)], False),
        ([(0.1, FOCUSED), (1.4, FOCUSED)], None),
        ([(0.1, FOCUSED), (1.6, FOCUSED)], True),
        ([(1.6, None)], False),
        ([(0.1, SCANNING), (7.9, SCANNING)], None),
        ([(0.1, SCANNING), (8.1, SCANNING)], False),
    ],
)
def test_a_run_ends_after_the_scan_or_in_time(states: list[tuple[float, int | None]], focused: bool | None) -> None:  # noqa: FBT001
    run = FocusRun(100.0)
    ended = [run.follows({} if state is None else {"AfState": state}, 100.0 + at) for at, state in states]
    assert run.focused is focused
    assert ended == [False] * (len(states) - 1) + [focused is not None]


async def test_a_camera_focuses_from_rest_and_keeps_where_the_lens_is(camera: Untyped) -> None:
    lens = FakeLens(camera)
    settings = SourceSettings(size=SIZE, fps=50, controls={"LensPosition": 3.0})
    async with supervised(
        cam := Camera(CameraSettings("front", "Front", linger=0, requested=settings), Picamera2Source)
    ):
        await until(lambda: lens.sensor.running == 0 and bool(cam.controls))
        await focus(cam)
        assert cam.control_overrides == {"LensPosition": 7.5}
        assert cam.controls["LensPosition"].value == 7.5
        await until(lambda: lens.sensor.running == 0)


async def test_the_mode_that_a_lens_position_needs_is_kept_with_it(camera: Untyped) -> None:
    FakeLens(camera)
    settings = SourceSettings(size=SIZE, fps=50, controls={"AfMode": "Continuous"})
    async with supervised(cam := Camera(CameraSettings("front", "Front", requested=settings), Picamera2Source)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: bool(cam.controls))
            await cam.set_controls({"LensPosition": 4.0})
    assert cam.control_overrides == {"LensPosition": 4.0, "AfMode": "Manual"}


async def test_a_camera_whose_source_cannot_focus_refuses() -> None:
    settings = SourceSettings(size=(64, 48))
    async with supervised(cam := Camera(CameraSettings("front", "Front", requested=settings), EmulatedSource)):
        with pytest.raises(ControlError, match="Front cannot be focused: it has no lens"):
            await focus(cam)
