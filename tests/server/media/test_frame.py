"""The bytes of the stream."""

from pathlib import Path

from pi_mjpeg_server.media.frame import BROWSER_PREAMBLE, PREAMBLE, Frame

CONTRACT = Path(__file__).parents[2] / "contract"


def recorded_frames() -> list[Frame]:
    first, second = ((CONTRACT / f"picture_{number}.jpg").read_bytes() for number in (1, 2))
    live = Frame(first, 1, 100.0, 1795341600.0)
    return [live, live, Frame(second, 2, 101.0, 1795341601.25, drawn=True)]


def test_a_program_gets_the_recorded_stream() -> None:
    body = PREAMBLE + b"".join(frame.part for frame in recorded_frames())
    assert body == (CONTRACT / "stream.multipart").read_bytes()


def test_a_browser_gets_the_recorded_stream() -> None:
    body = BROWSER_PREAMBLE + b"".join(frame.browser_part for frame in recorded_frames())
    assert body == (CONTRACT / "stream_browser.multipart").read_bytes()


def test_all_viewers_share_one_object() -> None:
    frame = recorded_frames()[0]
    assert frame.part is frame.part
    assert frame.browser_part is frame.browser_part
