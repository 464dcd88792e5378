"""Every size that is told is that of the picture as it is shown, and what the server draws has the same shape."""

import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Literal
from unittest.mock import MagicMock

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import SourceSettings, v4l2
from pi_mjpeg_server.sources.emulated import EmulatedSource
from pi_mjpeg_server.sources.files import FilesSource
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from pi_mjpeg_server.sources.v4l2 import V4L2Source
from pi_mjpeg_server.sources.v4l2_device import RawFrame, VideoMode
from PIL import Image, ImageOps

from tests.server.support.scripted_camera import grey, supervised, until

LYING, STANDING = (64, 48), (48, 64)
TURNS = [(0, False, LYING), (90, False, STANDING), (180, False, LYING), (270, False, STANDING), (90, True, STANDING)]


def shown_size(picture: bytes) -> tuple[int, int]:
    """Return the size of a picture as a browser shows it."""
    with Image.open(io.BytesIO(picture)) as image:
        return ImageOps.exif_transpose(image).size


@pytest.fixture
def webcam(monkeypatch: pytest.MonkeyPatch) -> MagicMock:
    """A webcam of 64x48 pixels."""
    fake = MagicMock()
    fake.modes.return_value = [mode := VideoMode("MJPG", (64, 48), 30)]
    fake.set_mode.return_value = mode
    fake.model = "Fake"
    fake.read.side_effect = lambda *_, **__: RawFrame(grey(9), 0.0, time.monotonic())
    monkeypatch.setattr(v4l2, "V4L2Device", lambda _: fake)
    monkeypatch.setattr(v4l2, "_require_linuxpy", lambda: None)
    return fake


@pytest.mark.usefixtures("webcam")
@pytest.mark.parametrize(("rotation", "hflip", "size"), TURNS)
def test_a_webcam(rotation: int, hflip: bool, size: tuple[int, int]) -> None:  # noqa: FBT001
    source = V4L2Source(SourceSettings(device="/dev/video0", size=(64, 48), rotation=rotation, hflip=hflip))
    assert source.open().size == size
    frames = source.frames()
    picture = next(frames)
    assert picture is not None
    assert shown_size(picture.jpeg) == jpeg.upright_size(picture.jpeg) == size


@pytest.mark.parametrize(("rotation", "hflip", "size"), TURNS)
def test_a_csi_camera(monkeypatch: pytest.MonkeyPatch, rotation: int, hflip: bool, size: tuple[int, int]) -> None:  # noqa: FBT001
    source = Picamera2Source(SourceSettings(size=(64, 48), rotation=rotation, hflip=hflip))
    library = MagicMock()
    library.Picamera2.global_camera_info.return_value = [{"Id": "/base/imx708", "Model": "imx708"}]
    library.Picamera2.return_value.camera_configuration.return_value = {"main": {"size": (64, 48)}}
    monkeypatch.setattr("pi_mjpeg_server.sources.picamera2.load_library", lambda: library)
    assert source.open().size == size


@pytest.mark.parametrize("orientation", range(1, 9))
def test_files_with_an_orientation_of_their_own(tmp_path: Path, orientation: int) -> None:
    (tmp_path / "1.jpg").write_bytes(picture := jpeg.with_orientation(grey(9), orientation))
    assert FilesSource(SourceSettings(device=str(tmp_path))).open().size == shown_size(picture)


@pytest.mark.parametrize("rotation", [0, 90, 180, 270])
def test_the_emulated_camera(rotation: int) -> None:
    source = EmulatedSource(SourceSettings(size=(64, 48), rotation=rotation))
    info = source.open()
    picture = next(source.frames())
    assert picture is not None
    assert shown_size(picture.jpeg) == info.size


@pytest.mark.parametrize("order", ["big", "little"])
def test_an_orientation_in_either_byte_order(order: Literal["big", "little"]) -> None:
    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, order)

    entry = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(6, 2) + b"\0\0"
    tiff = (b"MM" if order == "big" else b"II") + number(42, 2) + number(8, 4) + number(1, 2) + entry + number(0, 4)
    body = b"Exif\0\0" + tiff
    picture = b"\xff\xd8\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + grey(1)[2:]
    assert jpeg.upright_size(picture) == shown_size(picture) == (48, 64)
    # Cut off anywhere, it is upright and not an error.
    for end in range(len(body)):
        cut = b"\xff\xd8\xff\xe1" + (end + 2).to_bytes(2, "big") + body[:end] + grey(1)[2:]
        assert jpeg.upright_size(cut) in {(48, 64), (64, 48)}


@pytest.mark.usefixtures("webcam")
async def test_a_drawn_picture_has_the_shape_of_the_upright_one() -> None:
    requested = SourceSettings(device="/dev/video0", size=(64, 48), rotation=90)
    cam = Camera(CameraSettings("front", "Front", requested=requested), V4L2Source)

    def drawn() -> Iterator[bytes]:
        if cam.broadcast.latest is not None and cam.broadcast.latest.drawn:
            yield cam.broadcast.latest.jpeg

    async with supervised(cam):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.capture_rate.count > 0)
            cam.disable()
            await until(lambda: any(drawn()))
            assert [shown_size(each) for each in drawn()] == [(48, 64)]
