"""Webcams through linuxpy's real V4L2 calls, to a device that a preloaded library makes of files."""

import io
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.raw_formats import encode
from pi_mjpeg_server.sources.v4l2_device import VideoMode, nearest_mode
from pi_mjpeg_server.sources.webcam_controls import control_name
from PIL import Image

from tests.server.sources.conftest import OPENED, RunInProcess
from tests.server.support.fake_webcam import FakeWebcam
from tests.server.support.scripted_camera import grey, level_of

LEVELS = (10, 60, 110, 160, 210)


@pytest.fixture
def webcam(tmp_path: Path) -> FakeWebcam:
    return FakeWebcam(tmp_path / "video0", [grey(level) for level in LEVELS])


@pytest.mark.usefixtures("webcam")
def test_the_cameras_own_jpegs_are_passed_on_byte_for_byte(run_with_webcam: RunInProcess) -> None:
    pictures = run_with_webcam(
        OPENED
        + """
    start = time.monotonic()
    pictures = [picture for picture in islice(source.frames(), 31) if picture]
    age = time.monotonic() - pictures[-1].taken
    print(json.dumps([[p.jpeg.hex() for p in pictures], time.monotonic() - start, age, info.size, info.fps]))
    """
    )
    frames, seconds, age, size, fps = pictures
    assert [bytes.fromhex(frame) for frame in frames] == [grey(LEVELS[n % 5]) for n in range(len(frames))]
    assert len(frames) >= 30
    assert 0.9 < seconds < 2
    # The fake driver delivers a frame 40 ms after its exposure.
    assert 0.04 <= age < 0.3
    assert (size, fps) == ([64, 48], 30)


def test_huffman_tables_that_a_camera_omits_are_inserted() -> None:
    whole = grey(120)
    bare = without_huffman_tables(whole)
    assert len(bare) < len(whole) - 100
    completed = jpeg.with_huffman_tables(bare)
    assert level_of(completed) == level_of(whole)
    assert jpeg.with_huffman_tables(whole) is whole


def without_huffman_tables(picture: bytes) -> bytes:
    """Return the JPEG without its DHT segments, as many webcams send it; Pillow writes the typical tables."""
    kept, offset = picture[:2], 2
    while picture[offset + 1] != 0xDA:
        length = 2 + int.from_bytes(picture[offset + 2 : offset + 4], "big")
        if picture[offset + 1] != 0xC4:
            kept += picture[offset : offset + length]
        offset += length
    return kept + picture[offset:]


def test_a_truncated_frame_is_skipped_and_counted(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    whole = grey(50)
    bare = without_huffman_tables(grey(90))
    FakeWebcam(tmp_path / "video0", [whole, whole[: len(whole) // 2], bare, b"", b"\0" * 500])
    frames, broken = run_with_webcam(
        OPENED
        + """
    pictures = list(islice(source.frames(), 10))
    print(json.dumps([[p and p.jpeg.hex() for p in pictures], source.broken]))
    """
    )
    assert [frame is None for frame in frames] == [False, True, False, True, True] * 2
    assert broken == 6
    completed = bytes.fromhex(frames[2])
    assert b"\xff\xc4" in completed
    assert level_of(completed) == level_of(grey(90))


def test_the_frames_of_a_yuyv_camera_are_encoded(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    # BT.601 in limited range: 16 is black and 235 white.
    frames = [bytes([level, 128]) * (64 * 48) for level in (16, 126, 235)]
    FakeWebcam(tmp_path / "video0", frames, "YUYV 64 48 30\n")
    pictures = run_with_webcam(
        OPENED
        + """
    print(json.dumps([picture.jpeg.hex() for picture in islice(source.frames(), 3)]))
    """
    )
    levels = [level_of(bytes.fromhex(picture)) for picture in pictures]
    assert all(abs(level - expected) <= 2 for level, expected in zip(levels, (0, 128, 255), strict=True))


def test_yuyv_keeps_its_colours() -> None:
    # Red in full range: Y 76, Cb 85, Cr 255 (JFIF).
    picture = encode(bytes([76, 85, 76, 255]) * (32 * 48), "YUYV", (64, 48), 128, 95, full_range=True)
    red, green, blue = Image.open(io.BytesIO(picture)).convert("RGB").resize((1, 1)).tobytes()
    assert red > 245
    assert green < 10
    assert blue < 10


@pytest.mark.parametrize(
    ("size", "fps", "expected"),
    [
        ((1280, 720), 30, ("MJPG", (1280, 720), 30)),
        ((1000, 700), 30, ("MJPG", (1280, 720), 30)),
        ((640, 480), 30, ("MJPG", (640, 480), 30)),
        ((640, 480), 15, ("MJPG", (640, 480), 30)),
        ((640, 480), 60, ("MJPG", (640, 480), 60)),
        ((1920, 1080), 30, ("MJPG", (1280, 720), 30)),
    ],
)
def test_the_mode_nearest_to_the_request_is_chosen(
    size: tuple[int, int], fps: float, expected: tuple[str, Any, float]
) -> None:
    modes = [
        VideoMode("YUYV", (1920, 1080), 5),
        VideoMode("MJPG", (640, 480), 60),
        VideoMode("MJPG", (640, 480), 30),
        VideoMode("MJPG", (1280, 720), 30),
        VideoMode("YUYV", (640, 480), 30),
    ]
    nearest = nearest_mode(modes, size, fps)
    assert (nearest.pixel_format, nearest.size, nearest.fps) == expected


def test_a_device_without_a_usable_mode_is_reported() -> None:
    with pytest.raises(SourceError, match="neither JPEG nor YUYV"):
        nearest_mode([], (640, 480), 30)


@pytest.mark.usefixtures("webcam")
def test_what_the_camera_does_not_offer_is_reported(run_with_webcam: RunInProcess) -> None:
    note, size = run_with_webcam(
        """
    source = V4L2Source(SourceSettings(size=(1920, 1080), fps=60, controls={"brightness": 100, "pan": 1}))
    info = source.open()
    print(json.dumps([info.note, info.size]))
    """
    )
    assert size == [1280, 720]
    assert "it has no 1920x1080 at 60 fps; the nearest is 1280x720 at 30 fps" in note
    assert "it has no control of that name or range: brightness, pan" in note


@pytest.mark.usefixtures("webcam")
def test_a_webcam_is_listed_and_found_by_its_persistent_name(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    by_id = tmp_path / "v4l" / "by-id"
    by_id.mkdir(parents=True)
    (by_id / "usb-Fake_Webcam_123-video-index0").symlink_to("../../video0")
    devices = run_with_webcam("print(json.dumps([(d.device, d.model, d.detail) for d in V4L2Source.devices()]))")
    assert devices == [["usb-Fake_Webcam_123-video-index0", "Fake Webcam", str(tmp_path / "video0")]]
    for name in ("usb-Fake_Webcam_123-video-index0", "0", "video0", str(tmp_path / "video0")):
        assert run_with_webcam(OPENED + "    print(json.dumps(info.model))", name) == "Fake Webcam"


def test_two_webcams_of_one_model_without_a_serial_number_have_different_names(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    by_id, by_path = tmp_path / "v4l" / "by-id", tmp_path / "v4l" / "by-path"
    for folder in (by_id, by_path):
        folder.mkdir(parents=True)
    for number in (0, 1):
        FakeWebcam(tmp_path / f"video{number}", [grey(90)], f"MJPG {64 + 64 * number} 48 30\n")
        (by_path / f"usb-0:{number}:1.0-video-index0").symlink_to(f"../../video{number}")
    # Both have this name; udev leaves it to the one that came last.
    (by_id / "usb-Fake_Webcam-video-index0").symlink_to("../../video1")
    listed = dict(run_with_webcam("print(json.dumps([(d.device, d.detail) for d in V4L2Source.devices()]))"))
    assert sorted(listed.values()) == [str(tmp_path / "video0"), str(tmp_path / "video1")]
    for name, path in listed.items():
        width = 64 if path.endswith("video0") else 128
        assert run_with_webcam(OPENED + "    print(json.dumps(info.size))", name) == [width, 48]


@pytest.mark.parametrize(
    ("fault", "words"),
    [("unplugged", "it is not there: unplugged?"), ("busy", "another program has it open: stop it (`fuser")],
)
def test_a_webcam_that_cannot_be_opened_is_reported(
    webcam: FakeWebcam, run_with_webcam: RunInProcess, fault: str, words: str
) -> None:
    webcam.inject_fault(fault)
    assert words in run_with_webcam(OPENED + "    print(json.dumps('opened'))", "0")


def test_controls_are_listed_with_their_ranges_and_set(webcam: FakeWebcam, run_with_webcam: RunInProcess) -> None:
    listed, after = run_with_webcam(
        OPENED
        + """
    def described():
        controls = source.controls().values()
        return {c.name: [c.type, c.value, c.minimum, c.maximum, c.step, list(c.options)] for c in controls}
    listed = described()
    frames = source.frames()
    next(frames)
    for name, value in (("brightness", -20), ("white_balance_automatic", False), ("auto_exposure", "Manual Mode")):
        source.set_control(name, value)
    next(frames)
    print(json.dumps([listed, described()]))
    """
    )
    assert listed["brightness"] == ["integer", 0, -64, 64, 2, []]
    assert listed["white_balance_automatic"] == ["boolean", True, None, None, None, []]
    assert listed["power_line_frequency"][5] == ["Disabled", "50 Hz", "60 Hz"]
    assert listed["auto_exposure"] == [
        "menu",
        "Aperture Priority Mode",
        None,
        None,
        None,
        ["Manual Mode", "Aperture Priority Mode"],
    ]
    assert after["auto_exposure"][1] == "Manual Mode"
    assert webcam.controls_set == ["Brightness -20", "White Balance, Automatic 0", "Auto Exposure 1"]


@pytest.mark.parametrize(
    ("driver", "ours"),
    [("Brightness", "brightness"), ("White Balance, Automatic", "white_balance_automatic"), ("Zoom, Abs.", "zoom_abs")],
)
def test_a_control_has_the_name_that_v4l2_ctl_gives_it(driver: str, ours: str) -> None:
    assert control_name(driver) == ours
