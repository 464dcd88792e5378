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
