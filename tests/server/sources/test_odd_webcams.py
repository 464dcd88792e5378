"""Webcams that break the rules of V4L2, as many that are sold do: each gives pictures all the same, or says why not."""

from pathlib import Path

import pytest
from pi_mjpeg_server.sources.buffer_time import BufferTimes

from tests.server.sources.conftest import OPENED, RunInProcess
from tests.server.support.fake_webcam import FakeWebcam
from tests.server.support.odd_webcam import make_webcam
from tests.server.support.scripted_camera import grey

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


@pytest.mark.parametrize("interval", ["0/0", "1/0", "0/30", "1001/30000", "1/4294967295", "4294967295/1"])
def test_an_odd_interval_costs_only_the_frame_rate(
    tmp_path: Path, run_with_webcam: RunInProcess, interval: str
) -> None:
    make_webcam(tmp_path, f"MJPG 64 48 {interval}\n")
    fps, pictures = run_with_webcam(
        OPENED
        + """
    pictures = [picture for picture in islice(source.frames(), 5) if picture]
    print(json.dumps([info.fps, len(pictures)]))
    """
    )
    assert pictures >= 3
    assert fps is None or 0.01 <= fps <= 1000


@pytest.mark.parametrize("clock", ["realtime", "zero", "unknown", "copy"])
@pytest.mark.parametrize("stamp", ["0", "-30", "3600"])
def test_a_picture_is_recent_whatever_clock_its_stamp_is_of(
    tmp_path: Path, run_with_webcam: RunInProcess, clock: str, stamp: str
) -> None:
    webcam = make_webcam(tmp_path)
    webcam.inject_fault("clock", clock)
    webcam.inject_fault("stamp", stamp)
    ages, times = run_with_webcam(TAKEN.replace("40", "15"))
    assert len(ages) >= 13
    assert all(0 <= age < 0.5 for age in ages[1:])
    assert times == sorted(times)


@pytest.mark.parametrize(
    "call",
    [
        *("QUERYCAP", "ENUM_FMT", "S_FMT", "G_FMT", "S_PARM", "G_PARM", "REQBUFS", "QUERYBUF", "QBUF", "STREAMON"),
        *("DQBUF", "STREAMOFF", "QUERYMENU", "G_CTRL", "S_CTRL", "QUERY_EXT_CTRL"),
    ],
)
def test_a_call_that_a_signal_interrupts_is_made_again(
    tmp_path: Path, run_with_webcam: RunInProcess, call: str
) -> None:
    webcam = make_webcam(tmp_path)
    webcam.inject_fault("errors", f"{call} * EINTR 0 2\n")
    pictures, broken, names, note = run_with_webcam(
        OPENED.replace("size=", "controls={'brightness': 6}, size=")
        + """
    for _ in range(2):
        frames = source.frames()
        pictures = [picture is not None for picture in islice(frames, 6)]
        frames.close()
    print(json.dumps([sum(pictures), source.broken, sorted(source.controls()), info.note]))
    """
    )
    assert (pictures, broken, note) == (6, 0, None)
    assert names == ["auto_exposure", "brightness", "power_line_frequency", "white_balance_automatic"]


@pytest.mark.parametrize(
    ("content", "words"),
    [("40", "marks it as damaged"), ("0 0", "empty"), ("0 20", ""), ("0 4294967295", None), ("ffff0000", None)],
)
def test_what_the_driver_says_of_a_buffer_costs_only_that_buffer(
    tmp_path: Path, run_with_webcam: RunInProcess, content: str, words: str | None
) -> None:
    make_webcam(tmp_path).inject_fault("buffer", content)
    pictures, broken, damage = run_with_webcam(
        OPENED
        + """
    pictures = [picture for picture in islice(source.frames(), 8) if picture]
    print(json.dumps([len(pictures), source.broken, source.last_damage]))
    """
    )
    assert pictures == (8 if words is None else 0)
    assert broken == (0 if words is None else 8)
    assert words is None or words in damage


@pytest.mark.parametrize(
    ("kind", "words"),
    [("mplane", "multi-planar"), ("output", "is not a camera"), ("readwrite", "is not a camera that can stream")],
)
def test_a_device_that_cannot_stream_says_so(
    tmp_path: Path, run_with_webcam: RunInProcess, kind: str, words: str
) -> None:
    (make_webcam(tmp_path).path / "capabilities").write_text(kind)
    assert words in run_with_webcam(OPENED + "    print(json.dumps('opened'))", "0")


@pytest.mark.parametrize("pixel_format", ["YUYV", "MJPG"])
def test_a_loopback_device_is_used_when_it_is_named_and_not_found_by_itself(
    tmp_path: Path, run_with_webcam: RunInProcess, pixel_format: str
) -> None:
    frame = bytes(64 * 48 * 2) if pixel_format == "YUYV" else grey(90)
    webcam = FakeWebcam(tmp_path / "video0", [frame], f"{pixel_format} 64 48 30\n")
    (webcam.path / "bus").write_text("platform:v4l2loopback-000")
    assert run_with_webcam("print(json.dumps([str(each) for each in V4L2Source.devices()]))") == []
    assert run_with_webcam(OPENED + "    print(json.dumps(next(source.frames()) is not None))", "0") is True
