"""The JPEG in what odd cameras deliver: found, cut at its end, completed, or refused."""

import io
import timeit

import pytest
from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.jpeg_parser import JpegParser, extract
from PIL import Image

from tests.server.media.test_jpeg import with_thumbnail
from tests.server.support.scripted_camera import grey, level_of


def encoded(image: Image.Image, **how: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **how)
    return buffer.getvalue()


def noise(size: tuple[int, int] = (640, 480), **how: object) -> bytes:
    return encoded(Image.effect_noise(size, 60).convert("RGB"), **how)


GOOD = {
    "grey": grey(77),
    "noise": noise(),
    "black": encoded(Image.new("RGB", (640, 480))),
    "white": encoded(Image.new("RGB", (641, 479), "white"), subsampling=0),
    "gradient": encoded(Image.linear_gradient("L").resize((640, 480)).convert("RGB")),
    "with a thumbnail": with_thumbnail(),
    "progressive": noise(progressive=True),
    "with restart markers": noise(restart_marker_blocks=3),
    "with fill bytes": grey(5)[:2] + b"\xff\xff\xff" + grey(5)[2:],
    "with a comment that holds markers": grey(5)[:2] + b"\xff\xfe\x00\x08\xff\xd9\xff\xd8\xff\xda" + grey(5)[2:],
}
ALL_GOOD = pytest.mark.parametrize("picture", GOOD.values(), ids=GOOD)


@ALL_GOOD
def test_a_good_picture_stays_the_same_object(picture: bytes) -> None:
    parser = JpegParser()
    assert all(parser.parse(picture) is picture for _ in range(100))


@ALL_GOOD
def test_what_surrounds_a_picture_is_cut_off(picture: bytes) -> None:
    older = noise((320, 240))
    for buffer in (
        picture + b"\xff",
        picture + b"sixteen bytes of",
        picture + older[1000:],
        picture + bytes(1_000_000 - len(picture)),
        picture + b"\xff" * 5000,
        picture + older,
        picture + picture,
        b"\0" + picture,
        b"\xff" + picture,
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + picture + b"\r\n",
        b"\xff\xd8" + picture,
        older[:5000] + picture,
    ):
        assert JpegParser().parse(buffer) == picture


@pytest.mark.parametrize("name", [name for name in GOOD if name != "progressive"])
def test_a_missing_end_marker_is_added(name: str) -> None:
    picture = GOOD[name]
    for cut in (picture[:-2], picture[:-1], picture[:-2] + bytes(5000)):
        assert extract(cut) == picture


def test_an_end_without_marker_that_is_a_stuffed_byte_is_kept() -> None:
    picture = GOOD["noise"][:-2] + b"\xff\0"
    assert extract(picture) == picture + b"\xff\xd9"
    assert extract(picture + bytes(100)) == picture + b"\xff\xd9"


def test_bytes_between_the_headers_are_left_out() -> None:
    picture = GOOD["noise"]
    assert extract(picture[:2] + b"ab" + picture[2:]) == picture
    assert extract(picture[:2] + b"\0\xff\0" + picture[2:]) == picture
    scan = jpeg.read_header(picture).scan
    assert extract(picture[:scan] + b"\xff\xd0ab" + picture[scan:]) == picture
    assert extract(b"\0" + picture[:2] + b"ab" + picture[2:] + b"\0") == picture


@pytest.mark.parametrize(
    "name", ["noise", "black", "white", "gradient", "progressive", "with restart markers", "with a thumbnail"]
)
@pytest.mark.parametrize("rest", [b"", bytes(200), b"\0" * 100_000], ids=["cut", "zeros", "many zeros"])
def test_a_truncated_picture_is_refused_wherever_it_is_cut(name: str, rest: bytes) -> None:
    picture = GOOD[name]
    # The last few bits may be padding, or the end of a block that is nearly there.
    for cut in range(0, len(picture) - 16, max(1, len(picture) // 60)):
        with pytest.raises(jpeg.JpegError):
            extract(picture[:cut] + rest)


def test_a_picture_after_a_truncated_one_is_found_but_never_a_thumbnail() -> None:
    assert extract(GOOD["noise"][:9000] + grey(99)) == grey(99)
    picture = with_thumbnail()
    for cut in range(len(grey(9, (16, 16))), len(picture) - 16):
        with pytest.raises(jpeg.JpegError):
            extract(picture[:cut])


@pytest.mark.parametrize("buffer", [b"", bytes(500), b"no picture", b"\xff\xd8\xff\xd9", b"\xff" * 4_000_000])
def test_garbage_is_refused(buffer: bytes) -> None:
    with pytest.raises(jpeg.JpegError):
        JpegParser().parse(buffer)


def test_an_odd_camera_is_searched_in_full_and_a_good_one_costs_microseconds() -> None:
    picture = noise((1280, 720))
    assert len(picture) > 200_000
    parser = JpegParser()
    odd = picture + noise((64, 48))
    parser.parse(odd)
    assert all(parser.parse(odd) == picture for _ in range(100))
    parser = JpegParser()
    for _ in range(10):
        parser.parse(picture)
    seconds = min(timeit.repeat(lambda: parser.parse(picture), number=1, repeat=50))
    assert seconds < 0.000_2
    # An oddity that comes late is found too.
    assert any(parser.parse(odd) == picture for _ in range(31))


def test_a_completed_picture_decodes() -> None:
    assert abs(level_of(extract(grey(120)[:-2])) - 120) < 2
