"""Stills of a webcam in its largest JPEG mode, through linuxpy's real calls to a device made of files."""

import textwrap
from pathlib import Path

import pytest

from tests.server.sources.conftest import RunInProcess
from tests.server.support.fake_webcam import FakeWebcam
from tests.server.support.scripted_camera import grey

MODES = "MJPG 64 48 30\nMJPG 128 96 15\nMJPG 96 72 30\nYUYV 256 192 5\n"
SOURCE = """
    def frames_of(source, count):
        frames = source.frames()
        pictures = [picture for picture in islice(frames, count) if picture]
        frames.close()
        return pictures

    def still_of(source):
        stills = source.stills()
        try:
            return next(picture for picture in stills if picture)
        finally:
            stills.close()

    source = V4L2Source(SourceSettings(size=(64, 48), fps=30, device="0"))
    source.open()
"""


def make_webcam(tmp_path: Path, modes: str = MODES, **sizes: tuple[int, int]) -> FakeWebcam:
    """Return a webcam whose frames have the size of the mode, or another one that is given for it."""
    webcam = FakeWebcam(tmp_path / "video0", [], modes)
    for number, line in enumerate(modes.splitlines()):
        name, width, height, *_ = line.split()
        size = sizes.get(f"at_{width}", (int(width), int(height)))
        frame = grey(100, size) if name == "MJPG" else bytes(int(width) * int(height) * 2)
        (webcam.path / "frames" / f"{number:03}@{width}").write_bytes(frame)
    return webcam


def test_a_still_has_the_size_of_the_largest_jpeg_mode_and_the_stream_goes_on_as_before(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    make_webcam(tmp_path)
    sizes, told, descriptors = run_with_webcam(
        SOURCE
        + """
    import os
    sizes = []
    for _ in range(3):
        sizes += [frames_of(source, 3)[-1].size, still_of(source).size if source.still_size() else None]
        descriptors = len(os.listdir("/proc/self/fd"))
        sizes += [frames_of(source, 3)[-1].size, still_of(source).size]
        descriptors = [descriptors, len(os.listdir("/proc/self/fd"))]
    print(json.dumps([sizes, source.still_size(), descriptors]))
    """
    )
    assert sizes == [[64, 48], [128, 96]] * 6
    assert told == [128, 96]
    assert descriptors[0] == descriptors[1]


def test_a_turned_webcam_has_turned_stills(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    make_webcam(tmp_path)
    answer = run_with_webcam(
        SOURCE.replace("fps=30", "fps=30, rotation=90")
        + "    print(json.dumps([source.still_size(), still_of(source).size]))"
    )
    assert answer == [[96, 128], [96, 128]]


@pytest.mark.parametrize("modes", ["MJPG 64 48 30\n", "MJPG 64 48 30\nYUYV 256 192 5\n", "YUYV 64 48 30\n"])
def test_where_no_jpeg_mode_is_larger_nothing_is_gained(
    tmp_path: Path, run_with_webcam: RunInProcess, modes: str
) -> None:
    make_webcam(tmp_path, modes)
    assert run_with_webcam(SOURCE + "    print(json.dumps(source.still_size()))") is None


def test_modes_that_are_larger_than_we_accept_pictures_are_left_out(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    FakeWebcam(tmp_path / "video0", [grey(9)], "MJPG 64 48 30\nMJPG 12000 9000 1\nMJPG 20000 100 1\nMJPG 9248 6944 1\n")
    assert run_with_webcam(SOURCE + "    print(json.dumps(source.still_size()))") == [9248, 6944]


def test_controls_are_as_they_were_in_the_still_and_after_it_even_of_a_camera_that_forgets_them(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path)
    webcam.inject_fault("forgetful")
    values = run_with_webcam(
        SOURCE.replace("fps=30", "fps=30, controls={'brightness': 6}")
        + """
    source.set_control("power_line_frequency", "60 Hz")
    def read():
        source._controls = source._webcam.controls()
        return [source.controls()[name].value for name in ("brightness", "power_line_frequency")]
    stills = source.stills()
    still = next(picture for picture in stills if picture)
    values = [read()]
    stills.close()
    frames = source.frames()
    next(picture for picture in frames if picture)
    values.append(read())
    frames.close()
    print(json.dumps(values))
    """
    )
    assert values == [[6, "60 Hz"]] * 2


@pytest.mark.parametrize("call", ["S_FMT", "REQBUFS", "QBUF", "STREAMON"])
@pytest.mark.parametrize("error", ["EBUSY", "ENOSPC", "EIO"])
def test_what_the_driver_refuses_for_a_still_costs_only_the_still(
    tmp_path: Path, run_with_webcam: RunInProcess, call: str, error: str
) -> None:
    webcam = make_webcam(tmp_path)
    # Calls for the stream before: one to open and one to start, or the buffers of one start and their release.
    before = {"S_FMT": 2, "REQBUFS": 2, "QBUF": 4 + 3, "STREAMON": 1}[call]
    webcam.inject_fault("errors", f"{call} * {error} {before} 1\n")
    kind, words, size = run_with_webcam(
        SOURCE
        + """
    frames_of(source, 3)
    source.still_size()
    try:
        raised = ["no error", still_of(source).size]
    except Exception as error:
        raised = [type(error).__name__, str(error)]
    print(json.dumps([*raised, frames_of(source, 3)[-1].size]))
    """
    )
    assert kind == "StillError", words
    assert "128x96" in words
    assert "[Errno" not in words
    assert size == [64, 48]


def test_a_webcam_that_is_unplugged_in_a_still_has_failed(tmp_path: Path, run_with_webcam: RunInProcess) -> None:
    make_webcam(tmp_path)
    still, stream = run_with_webcam(
        SOURCE
        + """
    source.still_size()
    stills = source.stills()
    next(stills)
    (Path(sys.argv[1]) / "video0" / "unplugged").touch()
    raised = []
    for use in (lambda: list(stills), lambda: list(source.frames())):
        try:
            use()
        except Exception as error:
            raised.append(str(error))
    print(json.dumps(raised))
    """
    )
    assert "128x96" in still
    assert "unplugged" in stream


def test_a_still_that_is_smaller_than_the_mode_says_is_told_as_it_is(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    make_webcam(tmp_path, at_128=(100, 80))
    assert run_with_webcam(SOURCE + "    print(json.dumps(still_of(source).size))") == [100, 80]


def test_the_first_frames_of_a_new_mode_are_left_out_and_damaged_ones_are_counted(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    webcam = make_webcam(tmp_path)
    whole = grey(50, (128, 96))
    for number, frame in enumerate([grey(1, (128, 96)), grey(2, (128, 96)), whole[: len(whole) // 2], whole]):
        (webcam.path / "frames" / f"9{number}@128").write_bytes(frame)
    (webcam.path / "frames" / "001@128").unlink()
    data, broken = run_with_webcam(SOURCE + "    print(json.dumps([still_of(source).jpeg.hex(), source.broken]))")
    assert bytes.fromhex(data) == whole
    assert broken == 1


def test_the_source_auto_takes_the_stills_of_the_camera_that_it_has_chosen(
    tmp_path: Path, run_with_webcam: RunInProcess
) -> None:
    answer = SOURCE.replace(
        'V4L2Source(SourceSettings(size=(64, 48), fps=30, device="0"))', "AutoSource(SourceSettings())"
    )
    answer = "from pi_mjpeg_server.sources.auto import AutoSource\n" + textwrap.dedent(answer)
    assert run_with_webcam(answer + "print(json.dumps(source.still_size()))") is None
    make_webcam(tmp_path)
    answer = answer.replace("SourceSettings()", "SourceSettings(size=(64, 48))")
    told, size = run_with_webcam(answer + "print(json.dumps([source.still_size(), still_of(source).size]))")
    assert told == size == [128, 96]
