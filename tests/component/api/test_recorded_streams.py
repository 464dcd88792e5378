"""The two recorded bodies of the contract: read as the server wrote them, and written again byte for byte."""

from custom_components.pi_mjpeg.api.frame import BOUNDARY, BROWSER_PREAMBLE, PREAMBLE, Frame
from custom_components.pi_mjpeg.api.multipart import MultipartParser
from tests.component.support.fake_pi import CONTRACT

MACHINE = (CONTRACT / "stream.multipart").read_bytes()
BROWSER = (CONTRACT / "stream_browser.multipart").read_bytes()
FIRST, SECOND = ((CONTRACT / f"picture_{number}.jpg").read_bytes() for number in (1, 2))

FRAMES = [
    Frame(FIRST, received=0, timestamp="1795341600.000000"),
    Frame(FIRST, received=1, timestamp="1795341600.000000"),
    Frame(SECOND, received=2, timestamp="1795341601.250000", drawn=True),
]


def test_the_machine_stream_is_read() -> None:
    parts = MultipartParser(BOUNDARY, max_part=1000).feed(MACHINE)
    assert [part.body for part in parts] == [FIRST, FIRST, SECOND]
    assert [part.headers["x-timestamp"] for part in parts] == [frame.timestamp for frame in FRAMES]
    assert [part.headers.get("x-picture") for part in parts] == [None, None, "drawn"]


def test_the_browser_stream_is_read() -> None:
    parts = MultipartParser(BOUNDARY, max_part=1000).feed(BROWSER)
    assert [part.body for part in parts] == [FIRST, FIRST, SECOND]


def test_our_own_streams_have_the_same_bytes() -> None:
    assert PREAMBLE + b"".join(frame.part for frame in FRAMES) == MACHINE
    assert BROWSER_PREAMBLE + b"".join(frame.browser_part for frame in FRAMES) == BROWSER


def test_a_repetition_is_known_by_its_picture_and_its_time() -> None:
    first, again, drawn = FRAMES
    assert again.repeats(first)
    assert not drawn.repeats(first)
    assert not first.repeats(None)
    assert not Frame(FIRST, received=3, timestamp="1795341602.000000").repeats(first)
