"""What is set before a CSI camera is opened: the HDR of its sensor and its tuning file. What is wrong costs itself."""

import errno
import fcntl
import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.sources import SourceError, SourceInfo, SourceSettings, sensor_hdr
from pi_mjpeg_server.sources.picamera2 import Picamera2Source

from tests.server.support import official_sensors as sensors
from tests.server.support.fake_sensor import CAMERAS, SIZE, Untyped

FIRST, OTHER = (str(CAMERAS[number]["Id"]) for number in (1, 2))
VARIABLE = "LIBCAMERA_RPI_TUNING_FILE"


class FakeSubDevices:
    """The V4L2 sub-devices of two sensors and a lens, of which some have the control for HDR."""

    def __init__(self, folder: Path, hdr: dict[str, int]) -> None:
        self.hdr, self.stubborn, self.calls = hdr, False, list[tuple[str, str]]()
        for number, camera_id in enumerate((f"{OTHER}/lens", OTHER, FIRST)):
            (folder / f"v4l-subdev{number}").write_bytes(b"")
            device = folder / "sys" / f"v4l-subdev{number}" / "device"
            device.mkdir(parents=True)
            (device / "of_node").symlink_to(f"../../firmware/devicetree{camera_id}")
        self.names = {f"v4l-subdev{number}": each for number, each in ((1, OTHER), (2, FIRST))}

    def ioctl(self, descriptor: int, request: int, argument: bytes) -> bytes:
        """Get or set the control, as the kernel does."""
        camera_id = self.names[Path(f"/proc/self/fd/{descriptor}").readlink().name]
        control, value = struct.unpack("=Ii", argument)
        assert control == 0x009A0915
        if camera_id not in self.hdr:
            raise OSError(errno.EINVAL, "Invalid argument")
        kind = {0xC008561B: "get", 0xC008561C: "set"}[request]
        self.calls.append((camera_id, kind))
        if kind == "set" and not self.stubborn:
            self.hdr[camera_id] = value
        return struct.pack("=Ii", control, self.hdr[camera_id])


@pytest.fixture
def sub_devices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeSubDevices:
    """Two sensors, of which the first camera's has HDR, switched off."""
    fake = FakeSubDevices(tmp_path, {FIRST: 0})
    monkeypatch.setattr(sensor_hdr, "SUB_DEVICES", tmp_path / "sys")
    monkeypatch.setattr(sensor_hdr, "DEVICES", tmp_path)
    monkeypatch.setattr(fcntl, "ioctl", fake.ioctl)
    return fake


@pytest.fixture
def manager(camera: Untyped) -> Untyped:
    """Picamera2's camera manager, which is the same for all cameras of the process."""
    return camera._cm  # noqa: SLF001


def opened(**settings: Any) -> SourceInfo:  # noqa: ANN401
    source = Picamera2Source(SourceSettings(size=SIZE, **settings))
    try:
        return source.open()
    finally:
        source.close()


@pytest.mark.parametrize(("before", "wanted"), [(0, 1), (1, 0)])
def test_the_hdr_of_the_sensor_is_switched_before_the_camera_is_opened(
    camera: Untyped, manager: Untyped, sub_devices: FakeSubDevices, before: int, wanted: int
) -> None:
    sub_devices.hdr[FIRST] = before
    at_opening: list[int] = []
    made = camera.return_value
    camera.side_effect = lambda **_: (at_opening.append(sub_devices.hdr[FIRST]), made)[1]  # type: ignore[func-returns-value]
    assert opened(sensor_hdr=bool(wanted)).note is None
    assert at_opening == [wanted]
    # libcamera lists other modes then.
    manager.reset.assert_called_once_with()


def test_with_hdr_the_sensor_has_other_modes(camera: Untyped, sub_devices: FakeSubDevices) -> None:
    def configured(**settings: bool) -> tuple[int, int]:
        camera.return_value.sensor_modes = sensors.IMX708_HDR if sub_devices.hdr[FIRST] else sensors.IMX708
        source = Picamera2Source(SourceSettings(size=(1280, 720), fps=100, **settings))  # type: ignore[arg-type]  # a bool
        source.open()
        size: tuple[int, int] = camera.return_value.create_video_configuration.call_args.kwargs["sensor"]["output_size"]
        return size

    assert configured() == (1536, 864)
    sub_devices.hdr[FIRST] = 1
    assert configured(sensor_hdr=True) == (2304, 1296)


def test_hdr_that_is_as_it_should_be_is_left_alone(manager: Untyped, sub_devices: FakeSubDevices) -> None:
    assert opened(sensor_hdr=False).note is None
    assert opened().note is None
    assert sub_devices.calls == [(FIRST, "get")]
    manager.reset.assert_not_called()


def test_a_sensor_without_hdr_costs_only_the_hdr(camera: Untyped, sub_devices: FakeSubDevices) -> None:
    info = opened(sensor_hdr=True, device="imx219")
    assert info.note == "sensor_hdr: the HDR of its sensor cannot be switched (Invalid argument)"
    camera.assert_called_once_with(camera_num=2)
    assert sub_devices.calls == []


@pytest.mark.usefixtures("camera")
def test_a_sensor_that_does_not_take_the_hdr_is_named(sub_devices: FakeSubDevices) -> None:
    sub_devices.stubborn = True
    assert opened(sensor_hdr=True).note == "sensor_hdr: its sensor does not take the HDR"


@pytest.mark.usefixtures("camera")
def test_a_camera_without_a_sub_device_has_no_hdr(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sensor_hdr, "SUB_DEVICES", tmp_path / "none")
    assert opened(sensor_hdr=True).note == "sensor_hdr: it has no sensor whose HDR can be switched"


def test_a_tuning_file_is_there_when_libcamera_looks_for_cameras(
    camera: Untyped, manager: Untyped, tmp_path: Path
) -> None:
    (tmp_path / "imx708_noir.json").write_text('{"version": 2.0}')
    seen: list[object] = []
    manager.reset.side_effect = lambda: seen.append(json.loads(Path(os.environ[VARIABLE]).read_text()))
    assert opened(tuning_file=str(tmp_path / "imx708_noir.json")).note is None
    assert seen == [{"version": 2.0}]
    assert camera.call_args.kwargs["camera_num"] == 1
    assert camera.call_args.kwargs["tuning"].endswith(".json")
    assert VARIABLE not in os.environ


def test_a_name_alone_is_one_of_libcameras_own_tuning_files(camera: Untyped) -> None:
    camera.load_tuning_file.return_value = {"version": 2.0}
    assert opened(tuning_file="imx708_noir.json").note is None
    camera.load_tuning_file.assert_called_once_with("imx708_noir.json")
    assert "tuning" in camera.call_args.kwargs


@pytest.mark.parametrize("content", [None, b"", b"{", b"[1]", b"\xff\xfe", b"[" * 100_000])
def test_a_tuning_file_that_cannot_be_read_costs_only_itself(
    camera: Untyped, manager: Untyped, tmp_path: Path, content: bytes | None
) -> None:
    file = tmp_path / "mine.json"
    if content is not None:
        file.write_bytes(content)
    note = opened(tuning_file=str(file)).note
    assert note is not None
    assert note.startswith(f"tuning_file: the tuning file '{file}' cannot be used: ")
    camera.assert_called_once_with(camera_num=1)
    manager.reset.assert_not_called()


def test_a_name_that_libcamera_does_not_have_costs_only_itself(camera: Untyped) -> None:
    camera.load_tuning_file.side_effect = RuntimeError("Tuning file not found")
    note = opened(tuning_file="imx999.json").note
    assert note == "tuning_file: the tuning file 'imx999.json' cannot be used: Tuning file not found"


@pytest.mark.parametrize("how", ["not listed", "not opened"])
def test_a_tuning_file_that_libcamera_does_not_take_costs_only_itself(
    camera: Untyped, manager: Untyped, how: str
) -> None:
    camera.load_tuning_file.return_value = {"version": 9.0}
    made = camera.return_value

    def make(**given: object) -> Untyped:
        if "tuning" in given:
            raise RuntimeError("Camera __init__ sequence did not complete.")
        return made

    if how == "not opened":
        camera.side_effect = make
    else:
        camera.global_camera_info.side_effect = lambda: CAMERAS[:1] if VARIABLE in os.environ else CAMERAS
    note = opened(tuning_file="imx708.json").note
    assert note is not None
    assert note.startswith("tuning_file: libcamera does not open the camera with 'imx708.json': ")
    assert camera.call_args.kwargs == {"camera_num": 1}
    assert manager.reset.call_count == 2
    assert VARIABLE not in os.environ


def test_a_tuning_file_is_refused_while_another_camera_is_open(
    camera: Untyped, manager: Untyped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(manager, "cameras", {0: object()})
    camera.load_tuning_file.return_value = {}
    note = opened(tuning_file="imx708_noir.json").note
    assert note is not None
    assert "another camera is open" in note
    manager.reset.assert_not_called()
    camera.assert_called_once_with(camera_num=1)


def test_a_busy_camera_is_still_called_busy(camera: Untyped) -> None:
    error = RuntimeError("Camera __init__ sequence did not complete.")
    error.__cause__ = RuntimeError("Failed to acquire camera: Device or resource busy")
    camera.side_effect = error
    camera.load_tuning_file.return_value = {}
    with pytest.raises(SourceError, match="another program has the camera open"):
        opened(tuning_file="imx708_noir.json")
