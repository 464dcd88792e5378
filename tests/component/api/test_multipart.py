"""The parser takes streams of all kinds, in pieces of any size, and never holds more than its limit."""

import tracemalloc
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from custom_components.pi_mjpeg.api.multipart import MultipartError, MultipartParser, Part, boundary_of
from tests.component.support.fake_pi import jpeg, part

MAX_PART = 2048
MAX_HEADERS = 256
SMALLEST = len(jpeg(0))


def parser(boundary: str = "frame") -> MultipartParser:
    return MultipartParser(boundary, max_part=MAX_PART, max_headers=MAX_HEADERS)


def bodies(parts: list[Part]) -> list[bytes]:
    return [part.body for part in parts]


def feed_in_pieces(stream: bytes, sizes: list[int]) -> list[Part]:
    """Feed `stream` in pieces of these sizes, over and over, and watch the limit."""
    parser_ = parser()
    parts: list[Part] = []
    position = 0
    turn = 0
    while position < len(stream):
        size = sizes[turn % len(sizes)]
        parts += parser_.feed(stream[position : position + size])
        assert parser_.held <= parser_.limit
        position += size
        turn += 1
    return parts


COUNTED = b"--frame\r\n" + part(jpeg(1)) + part(jpeg(2, 500)) + part(jpeg(3, MAX_PART - SMALLEST))
UNCOUNTED = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + b"".join(
    jpeg(number, 50) + b"\r\n--frame\r\nContent-Type: image/jpeg\r\n\r\n" for number in (1, 2, 3)
)
SIZES = st.lists(st.integers(1, 3000), min_size=1, max_size=20)


def test_a_part_is_there_as_soon_as_its_last_byte_has_come() -> None:
    parser_ = parser()
    end = COUNTED.index(jpeg(1)) + len(jpeg(1))
    assert parser_.feed(COUNTED[: end - 1]) == []
    assert bodies(parser_.feed(COUNTED[end - 1 : end])) == [jpeg(1)]
    assert bodies(parser_.feed(COUNTED[end:])) == [jpeg(2, 500), jpeg(3, MAX_PART - SMALLEST)]


def test_headers_are_found_by_names_in_lower_case() -> None:
    (first, *_) = parser().feed(COUNTED)
    assert first.headers == {"content-type": "image/jpeg", "content-length": str(SMALLEST), "x-timestamp": "1.000000"}


@pytest.mark.parametrize("stream", [COUNTED, UNCOUNTED])
@given(sizes=SIZES)
def test_the_pieces_in_which_a_stream_comes_do_not_matter(stream: bytes, sizes: list[int]) -> None:
    assert feed_in_pieces(stream, sizes) == parser().feed(stream)
    assert len(parser().feed(stream)) == 3


@given(stream=st.binary(max_size=6000), sizes=SIZES)
def test_any_bytes_at_all_raise_nothing_but_the_parsers_own_error(stream: bytes, sizes: list[int]) -> None:
    try:
        feed_in_pieces(stream, sizes)
    except MultipartError:
        return


FRAGMENTS = st.sampled_from(
    [
        b"--frame", b"--frame--", b"----frame", b"\r\n", b"\n", b"\r", b"Content-Length: 12", b"Content-Length: 99999",
        b"Content-Length: -1", b"Content-Type: image/jpeg", b": ", b"-" * 200, b"\xff\xd8", b"x" * 300, COUNTED,
    ]
)  # fmt: skip


@given(stream=st.lists(FRAGMENTS, max_size=40).map(b"".join), sizes=SIZES)
def test_a_stream_that_is_nearly_right_raises_nothing_but_the_parsers_own_error(
    stream: bytes, sizes: list[int]
) -> None:
    try:
        feed_in_pieces(stream, sizes)
    except MultipartError:
        return


@given(body=st.binary(max_size=MAX_PART).filter(lambda body: b"frame" not in body), counted=st.booleans())
def test_any_body_is_returned_unchanged(*, body: bytes, counted: bool) -> None:
    headers = b"Content-Length: %d\r\n\r\n" % len(body) if counted else b"\r\n"
    parser_ = parser()
    assert bodies(parser_.feed(b"--frame\r\n" + headers + body + b"\r\n--frame\r\n")) == [body]
    assert parser_.held == 0


@pytest.mark.parametrize("in_header", ["frame", "--frame", "----frame"])
@pytest.mark.parametrize("in_body", [b"--frame", b"----frame"])
def test_dashes_before_the_boundary_do_not_matter(in_header: str, in_body: bytes) -> None:
    stream = in_body + b"\r\nContent-Length: %d\r\n\r\n" % SMALLEST + jpeg(5) + b"\r\n" + in_body + b"\r\n"
    assert bodies(parser(in_header).feed(stream)) == [jpeg(5)]


@pytest.mark.parametrize("stream", [COUNTED, UNCOUNTED])
def test_lines_may_end_in_lf_alone(stream: bytes) -> None:
    assert bodies(parser().feed(stream.replace(b"\r\n", b"\n"))) == bodies(parser().feed(stream))


@pytest.mark.parametrize("counted", [True, False])
def test_a_thumbnail_inside_a_picture_does_not_cut_it(*, counted: bool) -> None:
    picture = b"\xff\xd8\xff\xe1" + jpeg(9) + b"rest\r\n--fram\xff\xd9"
    headers = b"Content-Length: %d\r\n\r\n" % len(picture) if counted else b"\r\n"
    assert bodies(parser().feed(b"--frame\r\n" + headers + picture + b"\r\n--frame\r\n")) == [picture]


def test_nothing_after_the_closing_boundary_counts() -> None:
    parser_ = parser()
    assert bodies(parser_.feed(b"--frame\r\n\r\nlast\r\n--frame--\r\n" + COUNTED)) == [b"last"]
    assert parser_.held == 0


@pytest.mark.parametrize(
    ("stream", "reason"),
    [
        (b"--frame\r\nContent-Length: 2049\r\n\r\n", "a part of 2049 bytes is larger than 2048"),
        (b"--frame\r\n\r\n" + bytes(MAX_PART + 500), "a part is larger than 2048 bytes"),
        (b"--frame\r\n\r\n" + bytes(MAX_PART + 1) + b"\r\n--frame\r\n", "a part is larger than 2048 bytes"),
        (b"--frame\r\nX: " + b"y" * MAX_HEADERS, "a header block is larger than 256 bytes"),
        (b"--frame\r\nX: " + b"y" * MAX_HEADERS + b"\r\n\r\n", "a header block is larger than 256 bytes"),
        (b"--frame\r\nContent-Length: 1x\r\n\r\n", "'1x' is no Content-Length"),
        (b"--frame\r\nContent-Length: -1\r\n\r\n", "'-1' is no Content-Length"),
        (b"--frame\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", "the header 'content-length' is there twice"),
        (b"--frame\r\nno header\r\n\r\n", "is no header line"),
        (bytes(1000), "there is no boundary where one is due"),
        (b"--frame\r\nContent-Length: 1\r\n\r\nx" + b"y" * 1000, "there is no boundary where one is due"),
    ],
)
def test_a_stream_outside_the_limits_is_refused_with_the_reason(stream: bytes, reason: str) -> None:
    with pytest.raises(MultipartError, match=reason):
        parser().feed(stream)


def test_the_limit_holds_while_a_large_piece_is_taken_as_well() -> None:
    parser_ = parser()
    piece = bytes(10_000_000)
    tracemalloc.start()
    with pytest.raises(MultipartError):
        parser_.feed(piece)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 100_000


def test_the_largest_allowed_part_is_taken_without_a_length() -> None:
    stream = b"--frame\r\n\r\n" + bytes(MAX_PART) + b"\r\n--frame\r\n"
    assert [len(body) for body in bodies(feed_in_pieces(stream, [1]))] == [MAX_PART]


@pytest.mark.parametrize(
    ("header", "boundary"),
    [
        ("multipart/x-mixed-replace; boundary=frame", "frame"),
        ("multipart/x-mixed-replace;boundary=--frameboundary", "--frameboundary"),
        ('Multipart/X-Mixed-Replace; charset=x; Boundary="my frame"', "my frame"),
    ],
)
def test_the_boundary_is_read_from_the_header(header: str, boundary: str) -> None:
    assert boundary_of(header) == boundary


@pytest.mark.parametrize("header", ["", "image/jpeg", "multipart/x-mixed-replace", "multipart/form-data; boundary=x"])
def test_a_header_without_a_boundary_is_refused(header: str) -> None:
    with pytest.raises(MultipartError):
        boundary_of(header)


@pytest.mark.parametrize("boundary", ["", "--", "x" * 71, "fr\u00e4me", "a\x00b"])
def test_a_boundary_that_cannot_be_one_is_refused(boundary: str) -> None:
    with pytest.raises(MultipartError, match="is no boundary"):
        parser(boundary)


def test_more_parts_at_a_time_than_allowed_are_an_error_before_they_are_read() -> None:
    tiny = b"--frame\r\n" + part(b"x") * 5000
    parser_ = MultipartParser("frame", max_part=MAX_PART, max_parts=240)
    began = perf_counter()
    with pytest.raises(MultipartError, match="240"):
        parser_.feed(tiny)
    assert perf_counter() - began < 0.2
    assert (
        len(MultipartParser("frame", max_part=MAX_PART, max_parts=240).feed(b"--frame\r\n" + part(b"x") * 240)) == 240
    )


@pytest.mark.parametrize("size", [1, 100, 1500, 9000, 1 << 20])
def test_a_large_part_is_whole_whatever_the_pieces_it_comes_in_and_takes_no_more_memory_than_its_bytes(
    size: int,
) -> None:
    body = bytes(number * 7 % 251 for number in range(60_000))
    stream = (b"--frame\r\nContent-Length: %d\r\n\r\n" % len(body) + body + b"\r\n") * 2 + b"--frame\r\n"
    parser_ = MultipartParser("frame", max_part=len(body))
    seen: list[bytes] = []
    tracemalloc.start()
    try:
        for start in range(0, len(stream), size):
            seen += bodies(parser_.feed(stream[start : start + size]))
            assert parser_.held <= parser_.limit
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert seen == [body, body]
    # What is returned, what is held, and the piece itself.
    assert peak < 4 * len(body) + 2 * min(size, len(stream))
