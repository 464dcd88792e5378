"""The sources that need no hardware, and how a third party adds one."""

import io
import os
import sys
import time
from itertools import islice
from pathlib import Path

import pytest
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceError, SourceSettings, files, kinds
from pi_mjpeg_server.sources.auto import AutoSource, CameraMemory, source_factory
from pi_mjpeg_server.sources.emulated import EmulatedSource
from pi_mjpeg_server.sources.files import FilesSource
from PIL import Image

from tests.server.support.scripted_camera import grey, level_of


def decoded(picture: Picture | None) -> Image.Image:
    assert picture is not None
    image = Image.open(io.BytesIO(picture.jpeg))
    image.load()
    return image


@pytest.mark.parametrize("size", [(640, 480), (320, 240), (1920, 1080)])
def test_the_emulated_camera_draws_different_pictures_of_the_requested_size(size: tuple[int, int]) -> None:
    source = EmulatedSource(SourceSettings(size=size, fps=50))
    info = source.open()
    assert info.size == size
    pictures = [decoded(picture) for picture in islice(source.frames(), 3)]
    assert {picture.size for picture in pictures} == {size}
    assert len({picture.tobytes() for picture in pictures}) == 3
    source.close()


@pytest.mark.parametrize(("rotation", "side"), [(0, "top"), (90, "right"), (180, "bottom"), (270, "left")])
def test_a_rotation_is_clockwise(rotation: int, side: str) -> None:
    """The moving dot of the emulated camera is at the top of the picture, where nothing else is white."""
    source = EmulatedSource(SourceSettings(size=(320, 240), rotation=rotation))
    source.open()
    image = decoded(next(source.frames())).convert("L")
    assert image.size == (320, 240)
    width, height = image.size
    thickness = 22
    strips = {
        "top": (0, 0, width, thickness),
        "bottom": (0, height - thickness, width, height),
        "left": (0, 0, thickness, height),
        "right": (width - thickness, 0, width, height),
    }
    brightest = {name: max(image.crop(box).tobytes()) for name, box in strips.items()}
    assert brightest[side] > 200


def test_pictures_come_at_the_requested_rate() -> None:
    source = EmulatedSource(SourceSettings(size=(64, 48), fps=20))
    source.open()
    frames = source.frames()
    next(frames)
    start = time.monotonic()
    for _ in range(20):
        next(frames)
    assert 0.9 < time.monotonic() - start < 1.3


def test_a_slow_source_yields_none_twice_a_second() -> None:
    source = EmulatedSource(SourceSettings(size=(64, 48), fps=0.5))
    source.open()
    frames = source.frames()
    assert next(frames) is not None
    for _ in range(3):
        start = time.monotonic()
        assert next(frames) is None
        assert time.monotonic() - start < 0.7


def test_files_are_played_in_a_loop_in_order_byte_for_byte(tmp_path: Path) -> None:
    for number, level in enumerate((10, 100, 200)):
        (tmp_path / f"{number}.jpg").write_bytes(grey(level))
    (tmp_path / "notes.txt").write_text("not a picture")
    source = FilesSource(SourceSettings(device=str(tmp_path), fps=200))
    assert source.open().size == (64, 48)
    played = [picture.jpeg for picture in islice(source.frames(), 7) if picture is not None]
    assert played == [grey(level) for level in (10, 100, 200, 10, 100, 200, 10)]


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (SourceSettings(), "set device"),
        (SourceSettings(device="/nowhere/at/all"), "not a folder"),
        (SourceSettings(device="EMPTY"), "no .jpg files"),
        (SourceSettings(device="BROKEN"), "not a JPEG file"),
        (SourceSettings(device="EMPTY", rotation=90), "rotation"),
    ],
)
def test_a_folder_that_cannot_be_played_is_reported(tmp_path: Path, settings: SourceSettings, words: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "BROKEN").mkdir()
    (tmp_path / "BROKEN" / "1.jpg").write_bytes(grey(1)[:100])
    if settings.device is not None and not settings.device.startswith("/"):
        settings = SourceSettings(device=str(tmp_path / settings.device), rotation=settings.rotation)
    with pytest.raises(SourceError, match=words):
        FilesSource(settings).open()


def test_a_file_that_is_no_picture_of_a_camera_costs_only_itself(tmp_path: Path) -> None:
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(grey(10 + number))
    source = FilesSource(SourceSettings(device=str(tmp_path), fps=200))
    source.open()
    frames = source.frames()
    assert decoded(next(frames)).size == (64, 48)
    (tmp_path / "1.jpg").write_bytes(grey(1)[:100])
    (tmp_path / "2.jpg").unlink()
    (tmp_path / "3.jpg").write_bytes(b"\0" + grey(13) + b"rest")
    played = [picture and picture.jpeg for picture in islice(frames, 4)]
    assert played == [None, None, grey(13), grey(14)]
    assert source.broken == 2
    assert "2.jpg cannot be read: No such file" in (source.last_damage or "")


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ("empty", "it is empty"),
        ("folder", "is not a file"),
        ("pipe", "is not a file"),
        ("link to nothing", "No such file"),
        ("link to itself", "symbolic links"),
        ("huge", "is larger than 32 MB"),
        ("text", "there is no JPEG in it"),
    ],
)
def test_an_odd_file_is_left_out_wherever_it_is_and_named_if_it_is_the_only_one(
    tmp_path: Path, odd: str, words: str
) -> None:
    path = tmp_path / "0.jpg"
    if odd == "folder":
        path.mkdir()
    elif odd == "pipe":
        os.mkfifo(path)
    elif odd.startswith("link"):
        path.symlink_to("nothing.jpg" if odd == "link to nothing" else path)
    else:
        path.write_bytes(b"hello" * (odd == "text"))
        if odd == "huge":
            os.truncate(path, 33 << 20)
    source = FilesSource(SourceSettings(device=str(tmp_path), fps=200))
    with pytest.raises(SourceError, match=words):
        source.open()
    (tmp_path / "1.jpg").write_bytes(grey(9, (80, 60)))
    assert source.open().size == (80, 60)
    assert [picture and picture.jpeg for picture in islice(source.frames(), 4)] == [None, grey(9, (80, 60))] * 2
    assert words in (source.last_damage or "")


def test_files_that_are_added_or_written_anew_are_played_from_the_next_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "1.jpg").write_bytes(grey(1))
    source = FilesSource(SourceSettings(device=str(tmp_path), fps=200))
    source.open()
    frames = source.frames()
    next(frames)
    (tmp_path / "2.jpg").write_bytes(grey(2))
    assert [picture and picture.jpeg for picture in islice(frames, 3)] == [grey(1), grey(2), grey(1)]
    for path in tmp_path.iterdir():
        path.unlink()
    assert [next(frames) for _ in range(3)] == [None] * 3
    (tmp_path / "3.jpg").write_bytes(grey(3))
    assert [picture and picture.jpeg for picture in islice(frames, 2)] == [grey(3)] * 2
    monkeypatch.setattr(files, "_MAX_ABSENCE", 0.0)
    (tmp_path / "3.jpg").unlink()
    with pytest.raises(SourceError, match=r"holds no \.jpg files"):
        list(frames)


def test_auto_takes_the_emulated_camera_if_there_is_no_other_and_says_why() -> None:
    source = AutoSource(SourceSettings(size=(64, 48)))
    info = source.open()
    assert info.source == "emulated"
    assert "picamera2" in (info.note or "")
    assert next(source.frames()) is not None
    source.close()


def test_the_emulated_camera_that_stands_in_says_so_on_its_picture() -> None:
    source = AutoSource(SourceSettings(size=(640, 480)))
    source.open()
    plain = EmulatedSource(SourceSettings(size=(640, 480)))
    plain.open()
    band = (0, 50, 640, 104)
    standing_in, drawn = (decoded(next(each.frames())).convert("L").crop(band).tobytes() for each in (source, plain))
    # White letters on a dark band, where the other has its background and its digit.
    assert sum(level < 40 for level in standing_in) > len(standing_in) / 2
    assert sum(level > 200 for level in standing_in) > 500
    assert sum(level < 40 for level in drawn) == 0


def test_auto_never_goes_back_to_the_emulated_camera(tmp_path: Path) -> None:
    marker = tmp_path / "camera-found"
    memory = CameraMemory(marker)
    assert AutoSource(SourceSettings(size=(64, 48)), memory).open().source == "emulated"
    assert not marker.exists()
    memory.remember()
    assert marker.exists()
    for later in (memory, CameraMemory(marker)):
        with pytest.raises(SourceError, match="not there any more"):
            AutoSource(SourceSettings(size=(64, 48)), later).open()
    forgetful = CameraMemory(tmp_path / "none" / "camera-found")
    forgetful.remember()
    with pytest.raises(SourceError, match="not there any more"):
        AutoSource(SourceSettings(size=(64, 48)), forgetful).open()


def test_a_third_party_adds_a_source_by_its_entry_point(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (Path(__file__).parents[3] / "docs/cameras.md").read_text()
    (tmp_path / "still_camera.py").write_text(page.partition("```python\n")[2].partition("```")[0])
    information = tmp_path / "still_camera-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: still-camera\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[pi_mjpeg.sources]\nstill = still_camera:Still\nbroken = still_camera:Nothing\n"
    )
    (tmp_path / "picture.jpg").write_bytes(grey(123))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    source = source_factory("still")(SourceSettings(device=str(tmp_path / "picture.jpg")))
    assert source.open().model == "Still picture"
    picture = next(source.frames())
    assert picture is not None
    assert abs(level_of(picture.jpeg) - 123) < 3
    with pytest.raises(SourceError, match="'broken' cannot be loaded"):
        kinds()["broken"]()


@pytest.mark.parametrize("size", [(320, 240), (640, 360), (100, 75), (64, 48), (48, 20), (1280, 720)])
def test_the_emulated_camera_encodes_only_what_moves_and_nobody_sees_it(
    size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is, pixel for pixel, the one that is drawn and encoded as a whole."""
    monkeypatch.setattr("time.time", lambda: 1_700_000_001.23)
    moving = EmulatedSource(SourceSettings(size=size))
    whole = EmulatedSource(SourceSettings(size=size))
    # A picture that is turned is drawn as a whole.
    whole._is_turned = True  # noqa: SLF001
    pictures = []
    for source in (moving, whole):
        source.open()
        picture = next(source.frames())
        assert picture is not None
        with Image.open(io.BytesIO(picture.jpeg)) as image:
            pictures.append(image.convert("RGB").tobytes())
    assert pictures[0] == pictures[1]
