"""Our use of Picamera2, against the real package: its signatures and its real JpegEncoder; only the sensor is a fake.

libcamera, kms++, prctl and PiDNG have to be compiled for the machine, so mocks replace their modules. libcamera itself
is therefore not tested.
"""

import importlib
import sys
import threading
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, Self
from unittest.mock import MagicMock, create_autospec

import numpy as np
import pytest
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import SourceError, SourceSettings
from pi_mjpeg_server.sources import picamera2 as picamera2_source
from pi_mjpeg_server.sources.picamera2 import Picamera2Source

from tests.server.support.scripted_camera import level_of, supervised, until

MISSING = ("libcamera", "libcamera.controls", "pykms", "prctl", "pidng", "pidng.camdefs", "pidng.core")
CAMERAS = [
    {"Id": "/base/axi/usb@1/cam", "Model": "Webcam"},
    {"Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Model": "imx708"},
    {"Id": "/base/soc/i2c0mux/i2c@0/imx219@10", "Model": "imx219"},
]
SIZE = (64, 48)
CONTROLS = {
    "Brightness": (-1.0, 1.0, 0.0),
    "AeEnable": (False, True, True),
    "ExposureTime": (29, 66666, 20000),
    "AwbMode": (0, 2, 0),
    "ColourGains": (0.0, 32.0, None),
    "FrameDurationLimits": (33333, 120000, None),
    "ScalerCrop": ((0, 0, 640, 480), (100, 200, 4000, 3000), (100, 200, 4000, 3000)),
}

Untyped = Any
"""An object of Picamera2, which has no type annotations; autospec checks the calls."""


class FakeSensor:
    """Feeds YUV420 pictures to a real encoder, as Picamera2's camera thread does, each 10 levels brighter."""

    def __init__(self, camera: Untyped) -> None:
        self.stopping = threading.Event()
        self.running = 0
        self.encoder: Untyped = None
        camera.start_recording.side_effect = self.start
        camera.stop_recording.side_effect = self.stop
        camera.camera_configuration.return_value = {"main": {"size": SIZE, "format": "YUV420"}}

    def start(self, encoder: Untyped, output: Untyped) -> None:
        """Start the encoder and the camera thread."""
        self.encoder = encoder
        encoder.output = output
        encoder.size, encoder.format, encoder.stride = SIZE, "YUV420", SIZE[0]
        encoder.start()
        self.stopping.clear()
        self.running += 1
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        """Send a picture to the encoder every 10 ms."""
        level = 0
        while not self.stopping.wait(0.01):
            level += 10
            self.encoder.encode("main", request(level % 200))

    def stop(self) -> None:
        """Stop the thread, then the encoder."""
        self.stopping.set()
        self.thread.join()
        self.encoder.stop()
        self.running -= 1


class FakeMappedArray:
    """Gives the encoder the array of the request; the real one maps a dma-buf."""

    def __init__(self, request: Untyped, name: str) -> None:
        self.array = request.arrays[name]

    def __enter__(self) -> Self:
        """Map."""
        return self

    def __exit__(self, *_: object) -> None:
        """Unmap."""


def request(level: int) -> SimpleNamespace:
    """Return a completed request with everything that the encoders use."""
    width, height = SIZE
    picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    picture[:height] = level
    timestamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    sensor_timestamp = sys.modules["libcamera"].controls.SensorTimestamp
    return SimpleNamespace(
        config={"main": {"size": SIZE, "format": "YUV420"}},
        arrays={"main": picture},
        request=SimpleNamespace(metadata={sensor_timestamp: timestamp}),
        acquire=lambda: None,
        release=lambda: None,
    )


@pytest.fixture(scope="module")
def library() -> Iterator[ModuleType]:
    """Import the real picamera2 package."""
    saved = {name: sys.modules.get(name) for name in MISSING}
    sys.modules.update({name: MagicMock(name=name) for name in MISSING})
    setattr(sys.modules["libcamera"], "controls", sys.modules["libcamera.controls"])  # noqa: B010  (a module has none)
    yield importlib.import_module("picamera2")
    for name in [name for name in sys.modules if name.partition(".")[0] == "picamera2"]:
        del sys.modules[name]
    for name, module in saved.items():
        if module is None:
            del sys.modules[name]
        else:
            sys.modules[name] = module


@pytest.fixture
def camera(library: ModuleType, monkeypatch: pytest.MonkeyPatch) -> Untyped:
    """Return a mock of Picamera2 that refuses calls that do not match the real signatures."""
    kind = create_autospec(library.Picamera2)
    kind.global_camera_info.return_value = CAMERAS
    kind.return_value.camera_controls = CONTROLS
    kind.return_value.camera_configuration.return_value = {"main": {"size": SIZE, "format": "YUV420"}}
    monkeypatch.setattr(library, "Picamera2", kind)
    multi_encoder = importlib.import_module("picamera2.encoders.jpeg_encoder")
    monkeypatch.setattr(multi_encoder, "MappedArray", FakeMappedArray)
    return kind


def test_a_picture_comes_through_the_real_encoder(camera: Untyped) -> None:
    sensor = FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15, quality=90))
    info = source.open()
    assert (info.model, info.size) == ("imx708", SIZE)
    before = time.monotonic()
    frames = source.frames()
    pictures = list(islice((picture for picture in frames if picture is not None), 5))
    levels = [level_of(picture.jpeg) for picture in pictures]
    assert levels == sorted(levels)
    assert len(set(levels)) == 5
    assert jpeg.size(pictures[0].jpeg) == SIZE
    assert all(before <= picture.taken <= time.monotonic() for picture in pictures)
    assert sensor.encoder.q == 90
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert sensor.running == 0
    with pytest.raises(RuntimeError, match="after shutdown"):
        sensor.encoder.threads.submit(print)
    source.close()
    camera.return_value.close.assert_called_once_with()


def test_the_frame_rate_is_set_at_every_start(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20, controls={"Brightness": 0.1}))
    source.open()
    for starts in (1, 2):
        frames = source.frames()
        next(frames)
        frames.close()  # type: ignore[attr-defined]  # it is a generator
        assert camera.return_value.set_controls.call_count == starts
        sent = camera.return_value.set_controls.call_args.args[0]
        assert sent == {"FrameDurationLimits": (50_000, 200_000), "Brightness": 0.1}


def with_limits(camera: Untyped, exposure_us: int, frame_us: int) -> None:
    """Have the camera offer exposures and frames of at most these times."""
    limits = {"ExposureTime": (29, exposure_us, 20000), "FrameDurationLimits": (33333, frame_us, None)}
    camera.return_value.camera_controls = CONTROLS | limits


def test_frames_become_long_enough_for_a_long_exposure_and_short_again(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    with_limits(camera, 11_000_000, 12_000_000)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20))
    source.open()
    for exposure_us, longest in ((1_000_000, 1_010_000), (199_500, 201_495), (20_000, 200_000)):
        source.set_control("ExposureTime", exposure_us)
        sent = camera.return_value.set_controls.call_args.args[0]
        assert sent == {"ExposureTime": exposure_us, "FrameDurationLimits": (50_000, longest)}
    source.set_control("ExposureTime", 500_000)
    source.set_control("Brightness", 0.5)
    assert "FrameDurationLimits" not in camera.return_value.set_controls.call_args.args[0]
    frames = source.frames()
    next(frames)
    sent = camera.return_value.set_controls.call_args.args[0]
    assert sent == {"FrameDurationLimits": (50_000, 505_000), "ExposureTime": 500_000, "Brightness": 0.5}
    frames.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.parametrize(
    ("fps", "frame_us", "offered"),
    [
        pytest.param(30, 12_000_000, 1_000_000, id="a second, since a camera without pictures counts as failing"),
        pytest.param(30, 120_000, 118_800, id="what fits in the longest frame of the sensor"),
        pytest.param(0.25, 12_000_000, 4_000_000, id="a frame's time at the configured rate"),
    ],
)
def test_no_exposure_is_offered_that_the_camera_would_not_make(
    camera: Untyped, fps: float, frame_us: int, offered: int
) -> None:
    with_limits(camera, 11_000_000, frame_us)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=fps, controls={"ExposureTime": offered + 1}))
    assert source.open().note == "it has no control of that name or range: ExposureTime"
    assert source.controls()["ExposureTime"].maximum == offered


def test_the_controls_are_those_of_libcamera_and_a_zoom(camera: Untyped) -> None:
    enums = sys.modules["libcamera.controls"]
    enums.AwbModeEnum = SimpleNamespace(__members__={"Auto": 0, "Tungsten": 1, "Cloudy": 2, "Custom": 7})  # type: ignore[attr-defined]  # stands in
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    controls = source.controls()
    assert set(controls) == {"Brightness", "AeEnable", "ExposureTime", "AwbMode", "Zoom"}
    assert controls["AwbMode"].options == ("Auto", "Tungsten", "Cloudy")
    assert (controls["ExposureTime"].minimum, controls["ExposureTime"].maximum) == (29, 66666)
    for name, value, expected in (
        ("Brightness", 0.5, {"Brightness": 0.5}),
        ("AeEnable", False, {"AeEnable": False}),
        ("AwbMode", "Cloudy", {"AwbMode": 2}),
        ("Zoom", 2.0, {"ScalerCrop": (1100, 950, 2000, 1500)}),
    ):
        source.set_control(name, value)
        assert camera.return_value.set_controls.call_args.args[0] == expected
        assert source.controls()[name].value == value


def test_a_control_that_this_camera_does_not_have_is_ignored_and_reported(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20, controls={"Brightness": 9, "Sharpness": 1}))
    assert source.open().note == "it has no control of that name or range: Brightness, Sharpness"
    frames = source.frames()
    next(frames)
    assert camera.return_value.set_controls.call_args.args[0] == {"FrameDurationLimits": (50_000, 200_000)}
    frames.close()  # type: ignore[attr-defined]  # it is a generator


def test_a_hardware_encoder_without_pictures_is_replaced_by_software(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "video11").touch()
    monkeypatch.setattr(picamera2_source, "_HARDWARE_ENCODER", tmp_path / "video11")
    monkeypatch.setattr(picamera2_source, "_HEARTBEAT", 0.02)
    monkeypatch.setattr(picamera2_source, "_HARDWARE_TIMEOUT", 0.1)
    used = []
    camera.return_value.start_recording.side_effect = lambda encoder, _output: used.append(type(encoder).__name__)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    for _ in range(2):
        frames = source.frames()
        assert list(islice(frames, 8)) == [None] * 8
        frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert used == ["MJPEGEncoder", "JpegEncoder"]


def test_a_hardware_encoder_that_cannot_be_opened_is_replaced_by_software(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "video11").touch()
    monkeypatch.setattr(picamera2_source, "_HARDWARE_ENCODER", tmp_path / "video11")
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    sensor = FakeSensor(camera.return_value)
    camera.return_value.stop_recording.side_effect = lambda: None if sensor.encoder is None else sensor.stop()

    def start(encoder: Untyped, output: Untyped) -> None:
        if type(encoder).__name__ == "MJPEGEncoder":
            raise FileNotFoundError(2, "No such file", "/dev/video11")
        sensor.start(encoder, output)

    camera.return_value.start_recording.side_effect = start
    frames = source.frames()
    assert next(frames) is not None
    frames.close()  # type: ignore[attr-defined]  # it is a generator
    assert sensor.running == 0


def test_the_configuration_matches_the_real_method(camera: Untyped) -> None:
    Picamera2Source(SourceSettings(size=(1280, 720), rotation=180, hflip=True)).open()
    arguments = camera.return_value.create_video_configuration.call_args.kwargs
    assert arguments["main"] == {"size": (1280, 720), "format": "YUV420"}
    transform = sys.modules["libcamera"].Transform.call_args
    assert transform.kwargs == {"hflip": False, "vflip": True}


@pytest.mark.parametrize(
    ("device", "number"), [(None, 1), ("imx219", 2), ("2", 2), ("/base/soc/i2c0mux/i2c@1/imx708@1a", 1)]
)
def test_a_camera_is_chosen_by_id_model_or_number(camera: Untyped, device: str | None, number: int) -> None:
    Picamera2Source(SourceSettings(device=device)).open()
    camera.assert_called_once_with(camera_num=number)


def test_usb_cameras_are_left_to_v4l2(camera: Untyped) -> None:
    assert [device.model for device in Picamera2Source.devices()] == ["imx708", "imx219"]
    camera.global_camera_info.return_value = CAMERAS[:1]
    with pytest.raises(SourceError, match="check the ribbon"):
        Picamera2Source(SourceSettings()).open()


def test_a_missing_camera_is_reported_with_those_that_are_attached(camera: Untyped) -> None:
    with pytest.raises(SourceError, match=r"no CSI camera 'imx477'; attached: .*imx708@1a"):
        Picamera2Source(SourceSettings(device="imx477")).open()
    camera.assert_not_called()


def test_a_camera_that_another_program_has_open_is_reported(camera: Untyped) -> None:
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = RuntimeError("Failed to acquire camera: Device or resource busy")
    camera.side_effect = error
    with pytest.raises(SourceError, match="another program has the camera open"):
        Picamera2Source(SourceSettings()).open()


def test_a_quarter_turn_is_written_as_exif_orientation(camera: Untyped) -> None:
    FakeSensor(camera.return_value)
    source = Picamera2Source(SourceSettings(size=SIZE, rotation=90))
    source.open()
    frames = source.frames()
    picture = next(frames)
    assert picture is not None
    assert picture.jpeg[2:12] == b"\xff\xe1\x00\x22Exif\0\0"
    level_of(picture.jpeg)
    frames.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the encoder is meant to fail
def test_an_encoder_that_dies_in_silence_yields_none(
    camera: Untyped,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sensor = FakeSensor(camera.return_value)
    monkeypatch.setattr(picamera2_source, "_HEARTBEAT", 0.05)
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    frames = source.frames()
    assert next(frames) is not None
    sensor.encoder.encode_func = MagicMock(side_effect=ValueError("broken"))
    silent = [next(frames) for _ in range(10)]
    assert silent[-3:] == [None, None, None]
    frames.close()  # type: ignore[attr-defined]  # it is a generator


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # the encoder is meant to fail
async def test_an_encoder_whose_callback_raises_is_restarted_and_keeps_its_viewers(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "FRAME_TIMEOUT", 0.3)
    monkeypatch.setattr(picamera2_source, "_HEARTBEAT", 0.05)
    sensor = FakeSensor(camera.return_value)
    settings = CameraSettings("front", "Front", requested=SourceSettings(size=SIZE, fps=50))
    async with supervised(cam := Camera(settings, Picamera2Source)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            broken = sensor.encoder
            broken.encode_func = MagicMock(side_effect=ValueError("broken"))
            await until(lambda: cam.state is CameraState.FAILING)
            assert cam.reason == "no picture comes from the camera; restarting it"
            await until(lambda: cam.state is CameraState.LIVE)
            assert sensor.encoder is not broken
            assert cam.status.restarts == 1
            camera.assert_called_once()


@pytest.mark.parametrize(
    ("module", "advice"),
    [("libcamera", "python3-libcamera"), ("picamera2", "python3-picamera2"), ("pykms", r"python3-kms\+\+")],
)
def test_a_missing_module_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch, module: str, advice: str) -> None:
    def missing(name: str, *rest: object) -> ModuleType:
        if name.partition(".")[0] == "libcamera":
            raise ModuleNotFoundError(f"No module named {module!r}", name=module)
        return real_import(name, *rest)  # type: ignore[arg-type]  # passed on unchanged

    real_import = __import__
    monkeypatch.setattr("builtins.__import__", missing)
    with pytest.raises(SourceError, match=f"'{module}' is missing: .*{advice}"):
        Picamera2Source.devices()
