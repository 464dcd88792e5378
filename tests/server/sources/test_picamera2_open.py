"""What a CSI camera is configured with: the mode of its sensor, and less where the memory is too small."""

from pathlib import Path
from unittest.mock import PropertyMock

import pytest
from pi_mjpeg_server.sources import SourceError, SourceSettings, picamera2_encoders
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from pi_mjpeg_server.sources.picamera2_bitrate import MAX_BITRATE, bitrate

from tests.server.support import official_sensors as sensors
from tests.server.support.fake_memory import FakeMemory
from tests.server.support.fake_sensor import Untyped

PLENTY = 1000.0


def modes_of(camera: Untyped, raw: sensors.RawModes) -> None:
    camera.return_value.sensor_modes = raw


def test_the_sensor_is_told_the_mode_that_shows_everything(camera: Untyped) -> None:
    modes_of(camera, sensors.IMX477)
    memory = FakeMemory(camera.return_value, PLENTY)
    info = Picamera2Source(SourceSettings(size=(1280, 720), fps=30)).open()
    assert memory.sensor == [{"output_size": (2028, 1520), "bit_depth": 12}]
    assert (info.size, info.fps, info.note) == ((1280, 720), 30, None)


def test_the_modes_are_read_before_the_camera_is_configured_and_once(camera: Untyped) -> None:
    FakeMemory(camera.return_value, PLENTY)
    configured_before: list[bool] = []

    def read() -> sensors.RawModes:
        configured_before.append(camera.return_value.configure.called)
        return sensors.IMX708

    type(camera.return_value).sensor_modes = PropertyMock(side_effect=read)
    for _ in range(3):
        source = Picamera2Source(SourceSettings())
        source.open()
        source.close()
    assert configured_before == [False]


@pytest.mark.parametrize("modes", [[], sensors.VIRTUAL, RuntimeError("Failed to configure"), OSError(12, "no memory")])
def test_without_modes_libcamera_chooses(camera: Untyped, modes: sensors.RawModes | Exception) -> None:
    type(camera.return_value).sensor_modes = PropertyMock(side_effect=[modes, modes])
    memory = FakeMemory(camera.return_value, PLENTY)
    assert Picamera2Source(SourceSettings(size=(1280, 720))).open().note is None
    assert memory.sensor == [{}]


def test_another_mode_can_be_chosen(camera: Untyped) -> None:
    modes_of(camera, sensors.IMX477)
    memory = FakeMemory(camera.return_value, PLENTY)
    info = Picamera2Source(SourceSettings(size=(1280, 720), fps=60, sensor_mode=(4056, 3040))).open()
    assert memory.sensor == [{"output_size": (4056, 3040), "bit_depth": 12}]
    assert info.fps == 10.0
    assert info.note == "its sensor gives at most 10 fps in this mode (faster: [1332, 990] with 120.05 fps)"


def test_a_mode_that_does_not_exist_costs_only_itself_and_is_refused_with_those_that_do(camera: Untyped) -> None:
    modes_of(camera, sensors.IMX708)
    memory = FakeMemory(camera.return_value, PLENTY)
    info = Picamera2Source(SourceSettings(size=(1280, 720), sensor_mode=(1920, 1080))).open()
    assert memory.sensor == [{"output_size": (2304, 1296), "bit_depth": 10}]
    assert info.note == (
        "its sensor has no mode [1920, 1080]; there is: "
        "[1536, 864] with 120.13 fps, [2304, 1296] with 56.03 fps, [4608, 2592] with 14.35 fps"
    )


def test_a_mode_cannot_be_chosen_where_there_are_none(camera: Untyped) -> None:
    modes_of(camera, sensors.VIRTUAL)
    FakeMemory(camera.return_value, PLENTY)
    note = Picamera2Source(SourceSettings(sensor_mode=(1920, 1080))).open().note
    assert note == "its sensor has no mode [1920, 1080]; there is: none that can be read"


def test_with_too_little_memory_fewer_buffers_come_first(camera: Untyped) -> None:
    memory = FakeMemory(camera.return_value, 10)  # a picture takes 3.1
    info = Picamera2Source(SourceSettings(size=(1920, 1080))).open()
    assert memory.tried == [((1920, 1080), 4), ((1920, 1080), 3)]
    assert info.size == (1920, 1080)
    assert info.note is not None
    assert all(words in info.note for words in ("CMA", "3 buffers instead of 4", "cma-256"))


def test_with_too_little_memory_for_few_buffers_the_picture_is_smaller(camera: Untyped) -> None:
    modes_of(camera, sensors.IMX219)
    memory = FakeMemory(camera.return_value, 12)
    info = Picamera2Source(SourceSettings(size=(1920, 1080), fps=15)).open()
    assert memory.tried == [((1920, 1080), 4), ((1920, 1080), 3), ((1920, 1080), 2), ((1440, 810), 2)]
    # The sensor's own pictures are smaller too, and still show everything.
    assert memory.sensor[-2:] == [
        {"output_size": (3280, 2464), "bit_depth": 10},
        {"output_size": (1640, 1232), "bit_depth": 10},
    ]
    assert info.size == (1440, 810)
    assert info.note is not None
    assert all(words in info.note for words in ("CMA", "1440x810 instead of 1920x1080", "cma-256"))


def test_the_bit_rate_of_the_hardware_is_for_the_smaller_picture(
    camera: Untyped, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "video11").touch()
    monkeypatch.setattr(picamera2_encoders, "_HARDWARE_ENCODER", tmp_path / "video11")
    FakeMemory(camera.return_value, 5)
    source = Picamera2Source(SourceSettings(size=(1920, 1080), fps=10, quality=80))
    source.open()
    next(source.frames())
    encoder = camera.return_value.start_recording.call_args.args[0]
    assert encoder.bitrate == bitrate((1440, 810), 10, 80) < MAX_BITRATE


def test_with_no_memory_at_all_the_requested_size_is_named(camera: Untyped) -> None:
    memory = FakeMemory(camera.return_value, 0)
    with pytest.raises(SourceError, match=r"\(CMA\) for 1920x1080: request a smaller size, or reserve more"):
        Picamera2Source(SourceSettings(size=(1920, 1080))).open()
    assert memory.tried[-1] == ((480, 270), 2)


def test_another_error_is_not_taken_for_a_lack_of_memory(camera: Untyped) -> None:
    memory = FakeMemory(camera.return_value, PLENTY)
    camera.return_value.configure.side_effect = RuntimeError("Invalid camera configuration")
    with pytest.raises(RuntimeError, match="Invalid camera configuration"):
        Picamera2Source(SourceSettings()).open()
    assert memory.tried == []
    camera.return_value.configure.assert_called_once()


def test_memory_that_lacks_at_the_start_is_spared_at_the_next_try(camera: Untyped) -> None:
    memory = FakeMemory(camera.return_value, PLENTY, start=5)
    tries = []
    for _ in range(3):
        source = Picamera2Source(SourceSettings(size=(1920, 1080)))
        source.open()
        tries.append(memory.tried[-1])
        with pytest.raises(SourceError, match="CMA"):
            next(source.frames())
        source.close()
    assert tries == [((1920, 1080), 4), ((1920, 1080), 3), ((1920, 1080), 2)]
    source = Picamera2Source(SourceSettings(size=(1920, 1080)))
    note = source.open().note
    assert note is not None
    assert "1440x810 instead of 1920x1080" in note
    next(source.frames())
    source.close()
    # Memory may be free again later: the next time it begins with everything.
    Picamera2Source(SourceSettings(size=(1920, 1080))).open()
    assert memory.tried[-1] == ((1920, 1080), 4)


def test_memory_that_lacks_at_each_start_is_asked_for_again_from_the_beginning(camera: Untyped) -> None:
    memory = FakeMemory(camera.return_value, PLENTY, start=0)
    sizes = []
    for _ in range(8):
        source = Picamera2Source(SourceSettings(size=(1920, 1080)))
        source.open()
        sizes.append(memory.tried[-1])
        with pytest.raises(SourceError, match="CMA"):
            next(source.frames())
        source.close()
    assert sizes[5:] == [((480, 270), 2), ((1920, 1080), 4), ((1920, 1080), 3)]
