"""The picture of a gap is the last one, darkened, with a text on it. A broken last one is no problem."""

import io

import pytest
from PIL import Image, ImageStat

from custom_components.pi_mjpeg.actions.picture_files import size_of
from custom_components.pi_mjpeg.streaming.placard import draw


def picture(width: int, height: int) -> bytes:
    jpeg = io.BytesIO()
    Image.new("RGB", (width, height), "white").save(jpeg, "JPEG")
    return jpeg.getvalue()


def brightness(jpeg: bytes) -> float:
    with Image.open(io.BytesIO(jpeg)) as image:
        return float(ImageStat.Stat(image.convert("L")).mean[0])


def test_it_has_the_size_of_the_last_picture_and_is_darker() -> None:
    drawn = draw("Front door", picture(640, 360))
    assert size_of(drawn) == (640, 360)
    assert 80 < brightness(drawn) < 110


def test_the_name_and_a_text_are_drawn() -> None:
    assert draw("Front door", None) != draw("Shed", None)
    assert brightness(draw("Front door", None)) > 0.5


@pytest.mark.parametrize("last", [None, b"", b"\xff\xd8\xff\xd9", picture(64, 64)[:-100], b"\xff\xd8" + bytes(1000)])
def test_a_broken_last_picture_is_ignored(last: bytes | None) -> None:
    assert size_of(draw("Tür \u202e \U0001f6aa", last)) is not None


def test_a_huge_picture_is_not_decoded_whole() -> None:
    size = size_of(draw("Front door", picture(7680, 4320)))
    assert size is not None
    assert max(size) <= 3840


def test_bytes_without_a_jpeg_header_have_no_size() -> None:
    assert size_of(b"\xff\xd8\xff\xd9") is None
