"""Pictures of all sizes and kinds, and bytes that are none."""

import io

import pytest
from pi_mjpeg_server.motion.detector import MotionDetector
from pi_mjpeg_server.motion.picture import LONG_SIDE, decode
from PIL import Image

from tests.server.motion.drawn import jpeg, yard


def encoded(mode: str, size: tuple[int, int] = (640, 480), **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 120 if mode == "L" else None).save(buffer, "JPEG", **options)
    return buffer.getvalue()


@pytest.mark.parametrize(
    ("size", "small"),
    [((1280, 720), (160, 90)), ((640, 480), (160, 120)), ((1920, 1080), (160, 90)), ((720, 1280), (90, 160)),
     ((64, 48), (160, 120)), ((1, 1), (160, 160)), ((4000, 16), (160, 20))],
)  # fmt: skip
def test_each_size_becomes_small(size: tuple[int, int], small: tuple[int, int]) -> None:
    assert decode(encoded("L", size)).size == small


@pytest.mark.parametrize("picture", [encoded("L"), encoded("RGB"), encoded("CMYK"), encoded("RGB", progressive=True)])
def test_each_kind_of_jpeg_is_looked_at(picture: bytes) -> None:
    detector = MotionDetector()
    for step in range(4):
        assert not detector.look(picture, step / 5).moving


@pytest.mark.parametrize("size", [(1, 1), (4000, 16), (16, 4000), (33, 17)])
def test_a_picture_of_an_odd_shape_is_looked_at(size: tuple[int, int]) -> None:
    detector = MotionDetector(watch=[(0, 0, 0.001, 0.001)])
    for step in range(4):
        look = detector.look(encoded("RGB", size), step / 5)
        assert len(look.cells) == look.columns * look.rows > 0
        assert not look.moving


def test_an_orientation_is_applied() -> None:
    picture = Image.new("L", (640, 360))
    picture.paste(255, (0, 0, 640, 40))
    turned = decode(jpeg(picture, 6))
    assert turned.size == (90, LONG_SIDE)
    assert turned.getpixel((88, 80)) == 255
    assert turned.getpixel((2, 80)) == 0


WHOLE = jpeg(yard())


@pytest.mark.parametrize(
    "broken",
    [b"", b"no picture", WHOLE[:300], WHOLE[:2000], encoded("L", (16384, 8000))],
    ids=["empty", "text", "no scan", "cut off", "too large"],
)
def test_what_cannot_be_decoded_is_refused_and_changes_nothing(broken: bytes) -> None:
    detector = MotionDetector()
    detector.look(WHOLE, 1.0)
    with pytest.raises(ValueError, match=r".+"):
        detector.look(broken, 1.2)
    assert not detector.look(WHOLE, 1.4).moving


def test_another_size_is_a_new_beginning() -> None:
    detector = MotionDetector()
    for step in range(15):
        detector.look(WHOLE, step / 5)
    other = jpeg(yard(5, (240, 240)))
    looks = [detector.look(other, 3 + step / 5) for step in range(15)]
    assert not any(look.moving for look in looks)
    assert looks[0].rows == looks[0].columns
