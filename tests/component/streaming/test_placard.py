"""The picture of a gap is the last one, darkened, with a text on it. A broken last one is no problem."""

import io
from time import perf_counter

import pytest
from PIL import ExifTags, Image, ImageStat

from custom_components.pi_mjpeg.api.jpeg import check
from custom_components.pi_mjpeg.pictures import shown_size
from custom_components.pi_mjpeg.streaming.placard import draw_off, draw_stalled
from tests.component.support.pictures import encoded, with_scans, with_size


def picture(width: int, height: int) -> bytes:
    jpeg = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(jpeg, "JPEG")
    return jpeg.getvalue()


def brightness(jpeg: bytes) -> float:
    with Image.open(io.BytesIO(jpeg)) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])


def test_it_has_the_size_of_the_last_picture_and_is_darker() -> None:
    drawn = draw_stalled("Front door", picture(640, 360))
    assert shown_size(drawn) == (640, 360)
    assert 80 < brightness(drawn) < 110


def test_the_name_and_a_text_are_drawn() -> None:
    assert draw_stalled("Front door", None) != draw_stalled("Shed", None)
    assert brightness(draw_stalled("Front door", None)) > 0.5


@pytest.mark.parametrize("last", [None, b"", b"\xff\xd8\xff\xd9", picture(64, 64)[:-100], b"\xff\xd8" + bytes(1000)])
def test_a_broken_last_picture_is_ignored(last: bytes | None) -> None:
    assert shown_size(draw_stalled("Tür \u202e \U0001f6aa", last)) is not None


def test_a_picture_that_is_shown_turned_is_drawn_as_it_is_shown() -> None:
    turned = Image.new("RGB", (640, 360), "black")
    turned.paste("white", (0, 0, 320, 360))
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    last = io.BytesIO()
    turned.save(last, "JPEG", exif=exif)
    drawn = draw_stalled("Front door", last.getvalue())
    assert shown_size(drawn) == (360, 640)
    with Image.open(io.BytesIO(drawn)) as image:
        upper, lower = (
            ImageStat.Stat(image.convert("L").crop(box)).mean[0] for box in ((0, 0, 360, 200), (0, 440, 360, 640))
        )
    assert upper > lower + 50


@pytest.mark.parametrize(
    ("size", "shape"),
    [((640, 360), (640, 360)), ((4056, 3040), (1920, 1439)), (None, (1280, 720)), ((1, 8192), (1, 1920))],
)
def test_the_picture_of_a_camera_that_is_off_has_its_shape(
    size: tuple[int, int] | None, shape: tuple[int, int]
) -> None:
    assert shown_size(draw_off("Front door", size)) == shape


def test_a_huge_picture_is_not_decoded_whole() -> None:
    size = shown_size(draw_stalled("Front door", picture(7680, 4320)))
    assert size is not None
    assert max(size) <= 1920


def test_bytes_without_a_jpeg_header_have_no_size() -> None:
    assert shown_size(b"\xff\xd8\xff\xd9") is None


@pytest.mark.parametrize(
    "last",
    [
        encoded(65500, 16),
        encoded(16384, 16),
        encoded(16, 16384),
        encoded(1, 1),
        with_size(encoded(64, 64), 65500, 2700),
        with_size(encoded(64, 64), 16000, 4000),
        with_scans(encoded(1280, 720, progressive=True), 10_000),
        encoded(64, 64, exif=b"Exif\0\0" + b"II*\0" + b"\xff" * 60_000),
    ],
)
@pytest.mark.parametrize("name", ["Front door", "W" * 256, "\u2003", "Tür \u202e \U0001f6aa" * 30])
def test_a_placard_is_drawn_in_a_moment_whatever_the_last_picture_and_the_name_are(last: bytes, name: str) -> None:
    began = perf_counter()
    check(draw_stalled(name, last))
    assert perf_counter() - began < 3
