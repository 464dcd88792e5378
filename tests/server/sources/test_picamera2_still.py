"""Stills at the resolution of the sensor: configured, taken and configured back, whatever fails on the way.

As in `test_picamera2.py`, only the sensor is a fake.
"""

import asyncio
import contextlib
import importlib
import io
import logging
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from itertools import islice
from types import SimpleNamespace

import pytest
from pi_mjpeg_server.camera import camera as camera_module
from pi_mjpeg_server.camera import full_stills, supervisor
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.errors import CameraUnavailableError
from pi_mjpeg_server.camera.full_stills import FullStill
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceSettings, picamera2_still
from pi_mjpeg_server.sources import picamera2 as picamera2_source
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from PIL import Image

from tests.server.support.fake_sensor import SIZE, Untyped
from tests.server.support.fake_still_sensor import FULL_CROP, RESOLUTION, FakeStillSensor, hang
from tests.server.support.scripted_camera import supervised, until

STEPS = ("stop", "configure", "start", "capture", "encode", "stop still", "back", "start back")
ONLY_THE_STILL = {"configure", "start", "capture", "encode"}
"""Steps whose failure the stream survives without the device being opened again."""
RECOVERY_TIMEOUT = 0.6 * 4
"""Six seconds, a tenth as the time-outs are, on a machine four times slower."""


@pytest.fixture
def sensor(camera: Untyped, monkeypatch: pytest.MonkeyPatch) -> FakeStillSensor:
    """Return the sensor of a camera whose time-outs are a tenth as long."""
    monkeypatch.setattr(camera_module, "START_TIMEOUT", 2.0)
    monkeypatch.setattr(supervisor, "STILL_TIMEOUT", 0.4)
    monkeypatch.setattr(supervisor, "FRAME_TIMEOUT", 0.5)
    monkeypatch.setattr(supervisor, "RESPONSE_TIMEOUT", 0.2)
    monkeypatch.setattr(supervisor, "STOP_TIMEOUT", 0.5)
    monkeypatch.setattr(supervisor, "RETRY_DELAYS", (0.05, 0.1))
    monkeypatch.setattr(picamera2_source, "_HEARTBEAT", 0.05)
    monkeypatch.setattr(picamera2_still, "_HEARTBEAT", 0.05)
    monkeypatch.setattr(picamera2_still, "_SETTLING", 0.1)
    monkeypatch.setattr(full_stills, "MIN_DISTANCE", 0.0)
    monkeypatch.setattr(full_stills, "DISTANCE_PER_GAP", 0.0)
    made = FakeStillSensor(camera)
    encoder = importlib.import_module("picamera2.encoders.jpeg_encoder").JpegEncoder
    encode = encoder.encode_func

    def encode_func(self: Untyped, request: Untyped, name: str) -> bytes:
        if made.mode == "still":
            made.step("encode")
        encoded: bytes = encode(self, request, name)
        return encoded

    monkeypatch.setattr(encoder, "encode_func", encode_func)
    return made


@contextlib.asynccontextmanager
async def watched(**settings: Untyped) -> AsyncIterator[Camera]:
    """Start a camera that somebody watches, and wait until it is live."""
    requested = SourceSettings(size=SIZE, fps=50, **settings)
    async with supervised(cam := Camera(CameraSettings("front", "Front", requested=requested), Picamera2Source)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await live(cam)
            yield cam


async def live(cam: Camera) -> None:
    after = time.monotonic()
    await until(lambda: (latest := cam.broadcast.latest) is not None and not latest.drawn and latest.taken > after)


async def take(cam: Camera) -> FullStill:
    return await asyncio.wait_for(cam.full_stills.take(), 10)


def pictures(source: Picamera2Source) -> Iterator[Picture]:
    return (picture for picture in source.stills() if picture is not None)


async def test_a_still_has_the_resolution_of_the_sensor_and_the_stream_goes_on(sensor: FakeStillSensor) -> None:
    async with watched() as cam:
        for _ in range(3):
            asked = time.monotonic()
            still = await take(cam)
            assert jpeg.size(still.frame.jpeg) == RESOLUTION
            with Image.open(io.BytesIO(still.frame.jpeg)) as image:
                image.load()
            assert asked <= still.frame.taken <= time.monotonic()
            await live(cam)
            assert cam.broadcast.latest is not None
            assert jpeg.size(cam.broadcast.latest.jpeg) == SIZE
        assert sensor.modes == ["video"] + ["still", "video"] * 3
        assert (sensor.opened, sensor.held, cam.status.restarts) == (1, 0, 0)


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_raises_costs_at_most_a_new_start(sensor: FakeStillSensor, step: str) -> None:
    def fail() -> None:
        raise RuntimeError(f"{step} is broken")

    async with watched() as cam:
        sensor.before[step] = fail
        began = time.monotonic()
        (outcome,) = await asyncio.gather(take(cam), return_exceptions=True)
        assert step not in sensor.before
        await live(cam)
        assert time.monotonic() - began < RECOVERY_TIMEOUT
        assert sensor.opened == (1 if step in ONLY_THE_STILL else 2)
        if step in {"stop still", "back", "start back"}:
            assert isinstance(outcome, FullStill)
        else:
            assert isinstance(outcome, CameraUnavailableError)
            assert f"{step} is broken" in str(outcome)
        assert sensor.held == 0
        # And it works the next time.
        assert jpeg.size((await take(cam)).frame.jpeg) == RESOLUTION


@pytest.mark.parametrize("step", STEPS)
async def test_a_step_that_hangs_is_abandoned(sensor: FakeStillSensor, step: str) -> None:
    async with watched() as cam:
        sensor.before[step], ended = hang()
        began = time.monotonic()
        asked = asyncio.create_task(take(cam))
        await until(lambda: sensor.opened == 2)
        await live(cam)
        assert time.monotonic() - began < RECOVERY_TIMEOUT
        (outcome,) = await asyncio.gather(asked, return_exceptions=True)
        assert isinstance(outcome, CameraUnavailableError)
        assert jpeg.size((await take(cam)).frame.jpeg) == RESOLUTION
        assert cam.state is CameraState.LIVE
        ended.set()
        # What returns at last does nothing to the camera that is open now.
        await asyncio.sleep(0.1)
        await live(cam)


async def test_a_still_keeps_what_was_set_in_terms_of_its_own_mode(sensor: FakeStillSensor) -> None:
    enums = sys.modules["libcamera.controls"]
    enums.AfModeEnum = SimpleNamespace(__members__={"Manual": 0, "Auto": 1, "Continuous": 2})  # type: ignore[attr-defined]  # stands in
    async with watched() as cam:
        await cam.set_controls({"Zoom": 2.0, "ExposureTime": 20000, "LensPosition": 2.5, "Brightness": 0.5})
        await take(cam)
        await live(cam)
        still = {name: value for mode, sent in sensor.sent if mode == "still" for name, value in sent.items()}
        back = sensor.sent[-1][1]
        for sent in (still, back):
            assert (sent["ExposureTime"], sent["LensPosition"], sent["Brightness"]) == (20000, 2.5, 0.5)
            assert sent["AfMode"] == 0
        assert still["ScalerCrop"] == (FULL_CROP[2] // 4, FULL_CROP[3] // 4, FULL_CROP[2] // 2, FULL_CROP[3] // 2)
        assert back["ScalerCrop"] != still["ScalerCrop"]
        assert {name: control.value for name, control in cam.controls.items()}["Zoom"] == 2.0


@pytest.mark.parametrize(("rotation", "size"), [(90, RESOLUTION[::-1]), (180, RESOLUTION), (270, RESOLUTION[::-1])])
async def test_a_still_is_turned_as_the_stream_is(
    sensor: FakeStillSensor, rotation: int, size: tuple[int, int]
) -> None:
    async with watched(rotation=rotation, hflip=True) as cam:
        still = await take(cam)
        await live(cam)
        assert cam.broadcast.latest is not None
        assert jpeg.exif_orientation(still.frame.jpeg) == jpeg.exif_orientation(cam.broadcast.latest.jpeg)
        assert jpeg.upright_size(still.frame.jpeg) == size
        stream, full = (
            call.call_args.kwargs
            for call in (sensor.camera.create_video_configuration, sensor.camera.create_still_configuration)
        )
        assert full["transform"] is stream["transform"]
        assert full["colour_space"] is sys.modules["libcamera"].ColorSpace.Sycc()


@pytest.mark.parametrize("step", ["configure", "start"])
@pytest.mark.parametrize("error", [OSError(12, "Cannot allocate memory"), RuntimeError("Cannot allocate memory")])
async def test_too_little_contiguous_memory_costs_only_the_still_and_is_said_in_words(
    sensor: FakeStillSensor, step: str, error: Exception
) -> None:
    def fail() -> None:
        raise error

    async with watched() as cam:
        sensor.before[step] = fail
        with pytest.raises(CameraUnavailableError) as raised:
            await take(cam)
        words = str(raised.value)
        assert all(each in words for each in ("CMA", "128x96", "not full", "cma-256", "config.txt"))
        assert "smaller size" not in words
        await live(cam)
        assert (sensor.opened, cam.status.restarts) == (1, 0)


async def test_where_the_stream_has_the_resolution_of_the_sensor_it_is_not_interrupted(camera: Untyped) -> None:
    sensor = FakeStillSensor(camera, resolution=SIZE)
    async with watched() as cam:
        still = await take(cam)
        assert (jpeg.size(still.frame.jpeg), still.gap) == (SIZE, 0)
        assert sensor.modes == ["video"]


async def test_a_still_waits_for_the_exposure_but_not_long(sensor: FakeStillSensor) -> None:
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    sensor.still_metadata = {"AeState": 1}
    stills = source.stills()
    began = time.monotonic()
    assert next(picture for picture in stills if picture is not None).settled
    assert 0.1 <= time.monotonic() - began < 2
    stills.close()  # type: ignore[attr-defined]  # it is a generator
    assert (sensor.held, sensor.mode) == (0, "video")
    source.close()


async def test_several_stills_in_a_row_share_the_only_buffer(sensor: FakeStillSensor) -> None:
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    stills = source.stills()
    assert len(list(islice((picture for picture in stills if picture is not None), 3))) == 3
    stills.close()  # type: ignore[attr-defined]  # it is a generator
    assert sensor.held == 0
    source.close()


async def test_a_request_that_is_completed_when_it_is_given_up_is_released(sensor: FakeStillSensor) -> None:
    """Its buffer would stay in use for good."""
    source = Picamera2Source(SourceSettings(size=SIZE))
    source.open()
    sensor.late_jobs = True
    stills = source.stills()
    assert list(islice(stills, 5)) == [None] * 5
    stills.close()  # type: ignore[attr-defined]  # it is a generator
    assert sensor.job is not None
    assert sensor.job.completed
    assert (sensor.held, sensor.mode, sensor.is_started) == (0, "video", False)
    source.close()


async def test_the_threads_of_a_camera_do_not_grow_with_its_stills(
    sensor: FakeStillSensor, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with watched() as cam:
        await take(cam)
        before = _threads()
        for _ in range(5):
            await take(cam)
        await live(cam)
        assert _threads() <= before + 2
        assert sensor.held == 0
    assert caplog.records == []


def _threads() -> int:
    return threading.active_count()
