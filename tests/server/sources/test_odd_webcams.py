"""Webcams that break the rules of V4L2, as many that are sold do: each gives pictures all the same, or says why not."""

import io
from pathlib import Path

import pytest
from pi_mjpeg_server.sources.buffer_time import BufferTimes
from pi_mjpeg_server.sources.raw_formats import encode
from PIL import Image

from tests.server.sources.conftest import OPENED, RunInProcess
from tests.server.support.fake_webcam import DEFAULT_CONTROLS, MODES, FakeWebcam
from tests.server.support.scripted_camera import grey, level_of

LEVELS = (10, 60, 110, 160, 210)

TAKEN = (
    OPENED
    + """
    ages, times = [], []
    for picture in islice(source.frames(), 40):
        if picture:
            ages.append(time.monotonic() - picture.taken)
            times.append(picture.taken)
    print(json.dumps([ages, times]))
"""
)

DESCRIBED = (
    OPENED
    + """
    next(source.frames())
    controls = source.controls().values()
    print(json.dumps([{c.name: [c.type, c.value, c.default, list(c.options)] for c in controls}, info.note]))
"""
)


def make_webcam(tmp_path: Path, modes: str = MODES, controls: str = DEFAULT_CONTROLS) -> FakeWebcam:
    return FakeWebcam(tmp_path / "video0", [grey(level) for level in LEVELS], modes, controls)


@pytest.mark.parametrize("stamp", ["-30", "3600", "-100000000", "constant", "0", "-1"])
def test_a_picture_is_recent_whatever_its_time_stamp_says(
    tmp_path: Path, run_with_webcam: RunInProcess, stamp: str
) -> None:
    make_webcam(tmp_path).inject_fault("stamp", stamp)
    ages, times = run_with_webcam(TAKEN)
    assert len(ages) >= 38
    # One second late is believed, because some cameras are; everything else is not.
    latest = 1.5 if stamp == "-1" else 0.5
    assert all(0 <= age < latest for age in ages[1:])
    assert times == sorted(times)


def test_a_stamp_is_believed_again_after_a_jump() -> None:
    times = BufferTimes()
    taken = [
        times.taken(stamp, now) for stamp, now in ((9.9, 10), (99, 11), (11.9, 12), (12.9, 13), (12.9, 14), (6, 15))
    ]
    assert taken == [9.9, 11, 12, 12.9, 14, 15]


ODD_CONTROLS = """\
control 0x00980900 1 0x40 -64 64 1 0 0 Write Only
control 0x00980901 1 0 0 255 1 0 7 Input Error
control 0x00980902 1 0 0 255 1 0 7 Broken Pipe
control 0x00980903 1 0 100 -100 0 0 0 Inverted Hue
control 0x00980904 1 0 0 100 0 500 900 Far Out
control 0x00980905 1 0 0 100 1 50 50
control 0x00980906 1 0 0 100 1 50 50 ???
control 0x00980907 3 0 0 2 1 1 3 Outside Of Menu
menu 0x00980907 0 Off
menu 0x00980907 1 On
control 0x00980908 3 0 0 2 1 1 1 Without Entries
control 0x00980909 3 0 0 3 1 7 1 Odd Entries
menu 0x00980909 0 a\tb
menu 0x00980909 1 same
menu 0x00980909 2 same
menu 0x00980909 3
control 0x0098090a 9 0 0 3 1 0 0 Integer Menu
menu 0x0098090a 0 1000
control 0x0098090b 3 0 0 2000000000 1 0 0 Endless Menu
menu 0x0098090b 0 One
control 0x0098090c 99 0 0 1 1 0 0 Unknown Type
control 0x0098090d 2 4 0 1 1 0 0 Read Only
control 0x0098090e 2 0 0 1 1 0 1 Good
control 0x0098090f 2 0 0 1 1 0 1 Good
control 0x00980910 2 1 0 1 1 0 1 Disabled
"""


def test_an_odd_control_costs_only_itself(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    webcam = make_webcam(tmp_path, controls=ODD_CONTROLS)
    webcam.inject_fault("errors", "G_CTRL 0x00980901 EIO\nG_CTRL 0x00980902 EPIPE\n")
    controls, note = run_with_webcam(DESCRIBED)
    assert note is None
    assert controls == {
        "far_out": ["integer", 100, 100, []],
        "control_00980905": ["integer", 50, 50, []],
        "control_00980906": ["integer", 50, 50, []],
        "odd_entries": ["menu", "same", "a b", ["a b", "same", "same (2)", "3"]],
        "integer_menu": ["menu", "1000", "1000", ["1000"]],
        "endless_menu": ["menu", "One", "One", ["One"]],
        "good": ["boolean", True, False, []],
        "good_0098090f": ["boolean", True, False, []],
    }


def test_a_control_whose_value_cannot_be_told_is_listed_once_it_was_set(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path, controls=ODD_CONTROLS)
    configured = OPENED.replace("size=", 'controls={"outside_of_menu": "Off", "write_only": -3}, size=')
    names = run_with_webcam(configured + "    print(json.dumps({c.name: c.value for c in source.controls().values()}))")
    assert names["outside_of_menu"] == "Off"
    assert names["write_only"] == -3
    assert webcam.controls_set == ["Outside Of Menu 0", "Write Only -3"]


def test_more_controls_than_any_camera_has_are_left_out(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    many = "".join(f"control {0x980900 + number} 2 0 0 1 1 0 1 Control {number}\n" for number in range(70))
    make_webcam(tmp_path, controls=many)
    controls, _ = run_with_webcam(DESCRIBED)
    assert len(controls) == 64


@pytest.mark.parametrize("call", ["QUERY_EXT_CTRL 0x0098090c", "G_CTRL *", "QUERYMENU *", "QUERY_EXT_CTRL *"])
@pytest.mark.parametrize("error", ["EIO", "EPIPE", "EACCES", "ETIMEDOUT"])
def test_an_error_of_any_control_call_leaves_the_pictures(
    tmp_path: Path, run_with_webcam: RunInProcess, call: str, error: str
) -> None:
    make_webcam(tmp_path).inject_fault("errors", f"{call} {error}\n")
    controls, _ = run_with_webcam(DESCRIBED)
    if call == "QUERY_EXT_CTRL 0x0098090c":
        # The driver cannot list them any more, so they are asked one by one.
        assert set(controls) == {"brightness", "power_line_frequency", "auto_exposure"}


LOCKED = (
    DEFAULT_CONTROLS
    + """\
control 0x009a0902 1 0 1 5000 1 250 250 Exposure Time, Absolute
locked 0x009a0902 0x009a0901 3 EACCES
control 0x0098091a 1 0 2000 8000 1 4000 4000 White Balance Temperature
locked 0x0098091a 0x0098090c 1 EBUSY
"""
)


def adjusting(values: object) -> str:
    return (
        OPENED.replace("import json", "import json")
        + f"""
    from pi_mjpeg_server.sources.controls import ControlError, set_controls
    frames = source.frames()
    next(frames)
    try:
        set_controls(source, {values!r})
        error = None
    except (ControlError, OSError) as failure:
        error = [type(failure).__name__, str(failure)]
    next(frames)
    print(json.dumps([error, {{c.name: c.value for c in source.controls().values()}}]))
    """
    )


@pytest.mark.parametrize("order", [1, -1])
def test_automatic_controls_are_set_before_those_that_they_lock(
    tmp_path: Path, run_with_webcam: RunInProcess, order: int
) -> None:
    webcam = make_webcam(tmp_path, controls=LOCKED)
    values = dict([("exposure_time_absolute", 100), ("auto_exposure", "Manual Mode")][::order])
    error, after = run_with_webcam(adjusting(values))
    assert error is None
    assert after["exposure_time_absolute"] == 100
    assert webcam.controls_set == ["Auto Exposure 1", "Exposure Time, Absolute 100"]
    configured = OPENED.replace("size=", f"controls={values!r}, size=")
    assert run_with_webcam(configured + "    print(json.dumps(info.note))") is None


@pytest.mark.parametrize(
    ("values", "automatic"),
    [
        ({"brightness": 20, "exposure_time_absolute": 100}, "auto_exposure"),
        ({"brightness": 20, "white_balance_temperature": 5000}, "white_balance_automatic"),
    ],
)
def test_a_locked_control_names_the_automatic_one_and_nothing_is_set(
    tmp_path: Path, run_with_webcam: RunInProcess, values: dict[str, int], automatic: str
) -> None:
    webcam = make_webcam(tmp_path, controls=LOCKED)
    error, after = run_with_webcam(adjusting(values))
    assert error == ["ControlError", f"{list(values)[1]} cannot be set now: switch off {automatic} first"]
    assert after["brightness"] == 0
    assert webcam.controls_set == ["Brightness 20", "Brightness 0"]
    configured = OPENED.replace("size=", f"controls={values!r}, size=")
    note = run_with_webcam(configured + "    print(json.dumps(info.note))")
    assert f"switch off {automatic} first" in note


def test_a_set_that_fails_half_way_is_undone_and_one_that_fails_once_is_tried_again(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path)
    webcam.inject_fault("errors", "S_CTRL 0x00980918 EIO\n")
    error, after = run_with_webcam(
        adjusting({"brightness": 20, "power_line_frequency": "60 Hz", "auto_exposure": "Manual Mode"})
    )
    assert error[0] == "OSError"
    assert (after["brightness"], after["power_line_frequency"]) == (0, "50 Hz")
    assert after["auto_exposure"] == "Aperture Priority Mode"
    webcam.inject_fault("errors", "S_CTRL 0x00980900 EIO 0 1\n")
    (webcam.path / "device").unlink()
    error, after = run_with_webcam(adjusting({"brightness": 20, "power_line_frequency": "60 Hz"}))
    assert error is None
    assert (after["brightness"], after["power_line_frequency"]) == (20, "60 Hz")


def test_a_set_asks_for_one_control_only(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    many = "".join(f"control {0x980900 + number} 1 0 0 9 1 0 1 Control {number}\n" for number in range(20))
    webcam = make_webcam(tmp_path, controls=many)
    webcam.inject_fault("errors", "G_CTRL * 20ms\n")
    configured = OPENED.replace("size=", "controls={f'control_{n}': 2 for n in range(10)}, size=")
    run_with_webcam(configured + "    print(json.dumps(info.note))")
    assert len(webcam.control_calls) == 20 + 2 * 10
    before = len(webcam.control_calls)
    run_with_webcam(adjusting({"control_3": 4}))
    assert webcam.control_calls[before + 20 :] == ["S_CTRL 0x00980903", "G_CTRL 0x00980903"]


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


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("STREAMON", "ENOSPC", "USB bus has no bandwidth left: request a smaller size or a lower fps"),
        ("STREAMON", "EPERM", "restart it"),
        ("STREAMON", "EACCES", "group video"),
        ("STREAMON", "EIO", "another cable"),
        ("STREAMON", "EPROTO", "another cable"),
        ("STREAMON", "EPIPE", "plug the camera in again"),
        ("STREAMON", "ENODEV", "it was unplugged"),
        ("STREAMON", "EBUSY", "another program has it open"),
        ("STREAMON", "ENOMEM", "request a smaller size"),
        ("STREAMON", "ETIMEDOUT", "does not answer on USB"),
        *((call, "EPROTO", "another cable") for call in ("OPEN", "QUERYCAP", "S_FMT", "REQBUFS", "DQBUF", "QBUF")),
        ("DQBUF", "EIO", "another cable"),
        ("S_FMT", "ENOSPC", "no bandwidth left"),
    ],
)
def test_an_error_of_the_driver_is_said_in_words_that_help(
    tmp_path: Path, run_with_webcam: RunInProcess, call: str, error: str, words: str
) -> None:
    make_webcam(tmp_path).inject_fault("errors", f"{call} * {error}\n")
    reason = run_with_webcam(
        OPENED
        + """
    try:
        for picture in source.frames():
            pass
    except SourceError as error:
        print(json.dumps(str(error)))
    """,
        "0",
    )
    assert words in reason
    assert "[Errno" not in reason


def test_a_signal_that_is_lost_for_a_moment_does_not_end_the_stream(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    make_webcam(tmp_path).inject_fault("errors", "DQBUF * EIO 5 3\n")
    pictures, broken = run_with_webcam(
        OPENED
        + """
    pictures = [picture is not None for picture in islice(source.frames(), 20)]
    print(json.dumps([sum(pictures), source.broken]))
    """
    )
    assert (pictures, broken) == (17, 3)
