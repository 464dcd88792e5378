"""Raw formats, padded lines, and a mode that somebody else changes."""

import io
from pathlib import Path

import pytest
from pi_mjpeg_server.sources.raw_formats import encode, encoded_size
from PIL import Image

from tests.server.sources.conftest import OPENED, RunInProcess
from tests.server.support.fake_webcam import FakeWebcam
from tests.server.support.odd_webcam import make_webcam
from tests.server.support.scripted_camera import grey, level_of


def raw(pixel_format: str, level: int, padding: int = 0) -> bytes:
    """Return a raw grey picture of 64x48 in limited range, with bytes of 0xFF after each line."""
    end = b"\xff" * padding
    if pixel_format == "YUYV":
        return (bytes([level, 128]) * 64 + end) * 48
    if pixel_format == "UYVY":
        return (bytes([128, level]) * 64 + end) * 48
    luma = (bytes([level]) * 64 + end) * 48
    return luma if pixel_format == "GREY" else luma + (bytes([128]) * 64 + end) * 24


@pytest.mark.parametrize("padding", [0, 32])
@pytest.mark.parametrize("pixel_format", ["YUYV", "UYVY", "NV12", "GREY"])
def test_raw_pictures_are_encoded_without_the_padding_of_their_lines(
    tmp_path: Path, run_with_webcam: RunInProcess, pixel_format: str, padding: int
) -> None:
    bytes_per_line = (128 if "YUYV" in (pixel_format, pixel_format[::-1]) or pixel_format == "UYVY" else 64) + padding
    frames = [raw(pixel_format, level, padding) for level in (16, 126, 235)] + [b"short"]
    FakeWebcam(tmp_path / "video0", frames, f"{pixel_format} 64 48 30 {bytes_per_line}\n")
    pictures, broken, damage = run_with_webcam(
        OPENED
        + """
    pictures = [picture.jpeg.hex() for picture in islice(source.frames(), 12) if picture]
    print(json.dumps([pictures, source.broken, source.last_damage]))
    """
    )
    levels = {16, 126, 235} if pixel_format == "GREY" else {0, 128, 255}
    seen = set()
    for picture in pictures:
        with Image.open(io.BytesIO(bytes.fromhex(picture))) as image:
            shades = image.convert("L").tobytes()
            low, high = min(shades), max(shades)
            assert image.size == (64, 48)
            assert high - low <= 2
            seen.add(min(levels, key=lambda level: abs(level - low)))
            assert min(abs(level - low) for level in levels) <= 2
    assert seen == levels
    assert broken > 0
    assert "5 bytes instead of" in damage


@pytest.mark.parametrize("pixel_format", ["UYVY", "NV12"])
def test_raw_pictures_keep_their_colours(pixel_format: str) -> None:
    # Red in full range: Y 76, Cb 85, Cr 255 (JFIF).
    data = (
        bytes([85, 76, 255, 76]) * (32 * 48) if pixel_format == "UYVY" else bytes([76]) * 3072 + bytes([85, 255]) * 768
    )
    picture = encode(data, pixel_format, (64, 48), 0, 95, full_range=True)
    red, green, blue = Image.open(io.BytesIO(picture)).convert("RGB").resize((1, 1)).tobytes()
    assert (red > 245, green < 10, blue < 10) == (True, True, True)


def two_halves(pixel_format: str, width: int, height: int, stride: int) -> bytes:
    """Return a raw picture, red on its left and green on its right, with bytes of 0xEE after each line."""
    red, green = (76, 85, 255), (150, 44, 21)  # Y, Cb, Cr in full range (JFIF)
    columns = [red if x < width // 2 - 1 else green for x in range(0, width, 2)]
    if pixel_format in {"YUYV", "UYVY"}:
        order = (0, 1, 0, 2) if pixel_format == "YUYV" else (1, 0, 2, 0)
        line = b"".join(bytes(pixel[index] for index in order) for pixel in columns)
        return line[:stride].ljust(stride, b"\xee") * height
    luma = b"".join(bytes([y]) * 2 for y, _, _ in columns)[:width]
    chroma = b"".join(bytes(pixel[1:]) for pixel in columns)
    return luma.ljust(stride, b"\xee") * height + chroma.ljust(stride, b"\xee") * ((height + 1) // 2)


@pytest.mark.parametrize(
    ("pixel_format", "width", "stride", "told"),
    [
        ("YUYV", 63, 128, 128),
        ("YUYV", 63, 128, 0),
        ("YUYV", 63, 126, 126),
        ("YUYV", 63, 160, 160),
        ("YUYV", 64, 128, 100_000),
        ("UYVY", 65, 132, 132),
        ("UYVY", 64, 128, 7),
        ("NV12", 63, 64, 64),
        ("NV12", 63, 64, 0),
        ("NV12", 65, 80, 80),
    ],
)
def test_odd_widths_and_untrue_line_lengths_keep_the_colours_in_their_places(
    pixel_format: str, width: int, stride: int, told: int
) -> None:
    data = two_halves(pixel_format, width, 47, stride)
    picture = encode(data, pixel_format, (width, 47), told, 95, full_range=True)
    with Image.open(io.BytesIO(picture)) as image:
        assert image.size == encoded_size(pixel_format, (width, 47)) == (width // 2 * 2, 47)
        for x, colour in ((5, (255, 0, 0)), (width - 8, (0, 255, 0))):
            for y in (2, 23, 44):
                seen = image.convert("RGB").getpixel((x, y))
                assert isinstance(seen, tuple)
                assert all(abs(have - want) < 12 for have, want in zip(seen, colour, strict=True)), (x, y, seen)


@pytest.mark.parametrize("pixel_format", ["MJPG", "GREY"])
@pytest.mark.parametrize(
    ("modes", "errors"),
    [("{} 64 48 30\n", "ENUM_FRAMESIZES * ENOTTY"), ("{} 64 48 30\n", "ENUM_FRAMEINTERVALS * ENOTTY")],
)
def test_a_driver_that_lists_no_sizes_or_rates_is_asked_for_the_nearest(
    tmp_path: Path, run_with_webcam: RunInProcess, pixel_format: str, modes: str, errors: str
) -> None:
    frames = [grey(9)] if pixel_format == "MJPG" else [bytes(64 * 48)]
    FakeWebcam(tmp_path / "video0", frames, modes.format(pixel_format)).inject_fault("errors", errors)
    size, pictures = run_with_webcam(
        OPENED
        + """
    pictures = [picture for picture in islice(source.frames(), 5) if picture]
    print(json.dumps([info.size, len(pictures)]))
    """
    )
    assert size == [64, 48]
    assert pictures >= 3


def test_a_size_without_pixels_is_said_to_be_one(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    make_webcam(tmp_path, "MJPG 0 0 30\n")
    reason = run_with_webcam(OPENED + "    print(json.dumps('opened'))", "0")
    assert "pictures of 0x0 pixels" in reason
    assert "signal" in reason


def test_a_camera_without_a_usable_format_says_what_it_offers(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    make_webcam(tmp_path, "YV12 64 48 30\nH264 64 48 30\n")
    reason = run_with_webcam(OPENED + "    print(json.dumps('opened'))", "0")
    assert "it offers YV12, H264; usable are MJPG, JPEG, YUYV, UYVY, NV12, GREY" in reason


def test_a_slow_encoder_takes_the_newest_picture(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    FakeWebcam(tmp_path / "video0", [raw("YUYV", level) for level in range(16, 236)], "YUYV 64 48 30\n")
    ages = run_with_webcam(
        OPENED
        + """
    from pi_mjpeg_server.sources import raw_formats
    encode = raw_formats.encode
    def slow(*args, **kwargs):
        time.sleep(0.25)
        return encode(*args, **kwargs)
    raw_formats.encode = slow
    pictures = [(picture, time.monotonic()) for picture in islice(source.frames(), 10) if picture]
    print(json.dumps([now - picture.taken for picture, now in pictures]))
    """
    )
    # Encoding takes 0.25 s. Four buffers are full after half of it, and the newest picture is 40 ms older.
    assert sorted(ages[2:])[len(ages) // 2] < 0.5


REOPENED = (
    OPENED
    + """
    import subprocess
    frames = source.frames()
    first = next(frames)
    frames.close()
    other = "\\n".join((
        "import sys",
        "from linuxpy.video import device",
        "file = device.IO.open(sys.argv[1] + '/video0', True)",
        "device.set_format(file, device.BufferType.VIDEO_CAPTURE, *CHANGE)",
    ))
    subprocess.run([sys.executable, "-c", other, sys.argv[1]], check=True)
    frames = source.frames()
    pictures = [picture.jpeg.hex() for picture in islice(frames, 3) if picture]
    from linuxpy.video import device
    file = device.IO.open(sys.argv[1] + '/video0', True)
    actual = device.get_raw_format(file, device.BufferType.VIDEO_CAPTURE).fmt.pix
    print(json.dumps([pictures, source.broken, [actual.width, actual.height, actual.pixelformat]]))
"""
)


@pytest.mark.parametrize(
    ("modes", "frames", "change"),
    [
        ("MJPG 64 48 30\nMJPG 1280 720 30\n", [grey(90)], (1280, 720, "MJPG")),
        ("MJPG 64 48 30\nYUYV 64 48 30\n", [grey(90)], (64, 48, "YUYV")),
        ("YUYV 64 48 30\nYUYV 1280 720 30\n", [raw("YUYV", 93)], (1280, 720, "YUYV")),
    ],
)
def test_a_mode_that_another_program_set_is_set_back_at_the_next_start(
    tmp_path: Path, run_with_webcam: RunInProcess, modes: str, frames: list[bytes], change: tuple[int, int, str]
) -> None:
    FakeWebcam(tmp_path / "video0", frames, modes)
    pictures, broken, actual = run_with_webcam(REOPENED.replace("CHANGE", repr(change)))
    assert broken == 0
    assert actual == [64, 48, int.from_bytes(modes[:4].encode(), "little")]
    assert len(pictures) == 3
    assert all(abs(level_of(bytes.fromhex(picture)) - 90) < 3 for picture in pictures)
