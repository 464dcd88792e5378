"""Reading and changing JPEG headers without decoding the picture."""

import io

import pytest
from pi_mjpeg_server.media import jpeg
from PIL import Image

from tests.server.support.scripted_camera import grey


def with_thumbnail() -> bytes:
    """Return a 64x48 JPEG whose EXIF segment contains a complete JPEG of 16x16."""
    body = b"Exif\0\0" + grey(9, (16, 16))
    picture = grey(100)
    return picture[:2] + b"\xff\xe1" + (len(body) + 2).to_bytes(2, "big") + body + picture[2:]


def test_the_size_is_that_of_the_picture_and_not_of_its_thumbnail() -> None:
    assert jpeg.size(grey(1, (320, 200))) == (320, 200)
    assert jpeg.size(with_thumbnail()) == (64, 48)


@pytest.mark.parametrize(
    "garbage", [b"", b"\xff\xd8", b"\xff\xd8\xff", b"\xff\xd8\xff\xc0", b"\xff\xd8\xff\xe0\0\0", b"GIF89a"]
)
def test_garbage_has_no_size(garbage: bytes) -> None:
    with pytest.raises(jpeg.JpegError):
        jpeg.size(garbage)


def test_an_orientation_is_read_back_by_pillow() -> None:
    turned = jpeg.with_orientation(grey(77), 6)
    with Image.open(io.BytesIO(turned)) as image:
        image.load()
        assert image.getexif()[0x0112] == 6
    assert jpeg.size(turned) == (64, 48)


def encoded(mode: str) -> bytes:
    buffer = io.BytesIO()
    Image.linear_gradient("L").resize((64, 48)).convert("RGB").convert(mode).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xe0\xff\xffJFXX\0\x10" + bytes(0xFFF7),
        b"\xff\xe0\xff\xffAVI1" + bytes(0xFFF9),
        b"\xff\xee\xff\xffOther" + bytes(0xFFF8),
    ],
    ids=["thumbnail", "AVI1", "other"],
)
def test_a_segment_that_no_decoder_needs_keeps_no_picture_from_being_decoded(mode: str, segment: bytes) -> None:
    plain = encoded(mode)
    picture = plain[:2] + segment + plain[2:]
    assert jpeg.decodable(picture) == jpeg.decodable(plain)
    with Image.open(io.BytesIO(jpeg.decodable(picture))) as left, Image.open(io.BytesIO(plain)) as right:
        assert left.mode == right.mode == mode
        assert left.tobytes() == right.tobytes()


def test_a_thumbnail_in_the_jfif_segment_is_left_out() -> None:
    plain, thumbnail = grey(100), bytes(100 * 100 * 3)
    segment = b"\xff\xe0" + (16 + len(thumbnail)).to_bytes(2, "big") + plain[6:18] + bytes([100, 100]) + thumbnail
    assert jpeg.decodable(plain[:2] + segment + plain[20:]) == jpeg.decodable(plain)
