"""Our use of Picamera2, against the real package: its signatures and its real JpegEncoder; only the sensor is a fake.

libcamera, kms++, prctl and PiDNG have to be compiled for the machine, so mocks replace their modules. libcamera itself
is therefore not tested.
"""

import sys
import time
from itertools import islice
from types import ModuleType
from unittest.mock import MagicMock

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

from tests.server.support.fake_sensor import CAMERAS, SIZE, FakeSensor, Untyped
from tests.server.support.scripted_camera import level_of, supervised, until


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


def test_the_reason_why_a_camera_cannot_be_opened_is_said(camera: Untyped) -> None:
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = RuntimeError("Failed to initialize camera")
    error.__cause__.__cause__ = RuntimeError("Camera frontend has timed out!")
    camera.side_effect = error
    with pytest.raises(SourceError, match=r"libcamera cannot open the camera: Camera frontend has timed out!"):
        Picamera2Source(SourceSettings()).open()


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            PermissionError(13, "Permission denied", "/dev/dma_heap/linux,cma"),
            "may not use /dev/dma_heap/.*video",
        ),
        (RuntimeError("Could not open any dmaHeap device"), "the memory .*: Could not open any dmaHeap device"),
        (OSError(24, "Too many open files"), "the memory .*: .*Too many open files"),
    ],
)
def test_without_memory_for_pictures_the_camera_is_not_opened(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    monkeypatch.setattr("picamera2.dma_heap.DmaHeap", MagicMock(side_effect=error))
    with pytest.raises(SourceError, match=words):
        Picamera2Source(SourceSettings()).open()
    camera.assert_not_called()


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


@pytest.mark.parametrize(
    "error",
    [
        OSError(12, "Cannot allocate memory"),
        RuntimeError("Cannot allocate memory"),
        RuntimeError("Failed to allocate buffers."),
        RuntimeError("failed to allocate capture buffers for stream 0"),
    ],
)
@pytest.mark.parametrize("call", ["configure", "start_recording"])
def test_too_little_contiguous_memory_is_said_with_the_size_and_the_remedy(
    camera: Untyped, call: str, error: Exception
) -> None:
    getattr(camera.return_value, call).side_effect = error
    camera.return_value.stop_recording.side_effect = RuntimeError("not started")
    source = Picamera2Source(SourceSettings(size=(2592, 1944)))

    def use() -> None:
        source.open()
        next(source.frames())

    with pytest.raises(SourceError) as raised:
        use()
    words = str(raised.value)
    assert all(each in words for each in ("CMA", "2592x1944", "smaller size", "cma-256", "config.txt"))
