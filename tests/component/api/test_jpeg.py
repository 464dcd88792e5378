"""What no camera sends is refused from its headers, at the cost of some microseconds for what cameras send."""

from io import BytesIO
from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from custom_components.pi_mjpeg.api.jpeg import JpegError, check, decodable
from tests.component.support.fake_pi import CONTRACT, jpeg
from tests.component.support.pictures import encoded, with_scans, with_size

SMALL = encoded(64, 48)
PROGRESSIVE = encoded(1280, 720, progressive=True)


@pytest.mark.parametrize(
    ("picture", "size"),
    [
        (SMALL, (64, 48)),
        (PROGRESSIVE, (1280, 720)),
        (encoded(640, 360, "L"), (640, 360)),
        (encoded(640, 360, "CMYK"), (640, 360)),
        (encoded(4056, 3040, progressive=True), (4056, 3040)),
        (encoded(9248, 6920, "L"), (9248, 6920)),
        (encoded(16384, 16), (16384, 16)),
        (encoded(64, 48, exif=b"Exif\0\0" + bytes(60_000)), (64, 48)),
        (SMALL[:2] + b"\xff" * 5 + SMALL[2:], (64, 48)),
        (SMALL + bytes(1000), (64, 48)),
        ((CONTRACT / "picture_1.jpg").read_bytes(), (16, 16)),
        (jpeg(1), (640, 360)),
    ],
)
def test_the_pictures_of_cameras_are_accepted(picture: bytes, size: tuple[int, int]) -> None:
    assert check(picture) == size
    assert check(decodable(picture)) == size


@pytest.mark.parametrize(
    "segment",
    [
        b"\xff\xe0\xff\xffJFXX\0\x10" + bytes(0xFFF7),
        b"\xff\xe0\xff\xffAVI1" + bytes(0xFFF9),
        b"\xff\xee\xff\xffOther" + bytes(0xFFF8),
    ],
    ids=["thumbnail", "AVI1", "other"],
)
def test_a_segment_that_no_decoder_needs_keeps_no_picture_from_being_decoded(segment: bytes) -> None:
    for mode in ("RGB", "CMYK"):
        plain = encoded(64, 48, mode)
        picture = plain[:2] + segment + plain[2:]
        assert check(picture) == (64, 48)
        assert decodable(picture) == decodable(plain)
        with Image.open(BytesIO(decodable(picture))) as left, Image.open(BytesIO(plain)) as right:
            assert left.convert("RGB").tobytes() == right.convert("RGB").tobytes()


def test_a_thumbnail_in_the_jfif_segment_is_left_out() -> None:
    thumbnail = bytes(100 * 100 * 3)
    segment = b"\xff\xe0" + (16 + len(thumbnail)).to_bytes(2, "big") + SMALL[6:18] + bytes([100, 100]) + thumbnail
    picture = SMALL[:2] + segment + SMALL[20:]
    assert check(picture) == (64, 48)
    assert decodable(picture) == decodable(SMALL)


@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (with_scans(PROGRESSIVE, 10_000), "scans"),
        (with_scans(PROGRESSIVE, 101), "scans"),
        (with_scans(encoded(4056, 3040, progressive=True), 10), "scans"),
        (encoded(65500, 16), "65500x16"),
        (with_size(SMALL, 65500, 2700), "65500x2700"),
        (with_size(SMALL, 16384, 16384), "16384x16384"),
        (with_size(PROGRESSIVE, 13300, 13300), "13300x13300"),
        (encoded(4056, 3040, progressive=True, subsampling=0), "several scans"),
        (encoded(4096, 4096, "L", progressive=True), "several scans"),
        (encoded(4608, 2712, "L", progressive=True)[:-2] + bytes(9 << 20), "several scans"),
        (with_size(SMALL, 0, 48), "damaged"),
        (with_size(SMALL, 64, 0), "damaged"),
        (SMALL.replace(b"\xff\xc0", b"\xff\xc9"), "no browser"),
        (SMALL.replace(b"\xff\xc0", b"\xff\xc3"), "no browser"),
        (b"\xff\xd8" + b"\xff\xfe\x00\x02" * 600 + SMALL[2:], "more headers"),
        (b"\xff\xd8" + b"\xff" * 600 + SMALL[2:], "more headers"),
        (SMALL[:2] + SMALL[SMALL.index(b"\xff\xc0") :][:19] + SMALL[2:], "two frame headers"),
        (SMALL[: SMALL.index(b"\xff\xc0")] + SMALL[SMALL.index(b"\xff\xda") :], "no frame header"),
        (SMALL[: SMALL.index(b"\xff\xda")], "cut off"),
        (b"\xff\xd8" + SMALL, "damaged"),
        (SMALL[:2] + (b"\xff\xe1\xff\xffExif\0\0" + bytes(0xFFFF - 8)) * 2 + SMALL[2:], "EXIF"),
        (b"<svg onload=alert(1)>", "does not begin"),
        (b"", "does not begin"),
        (b"\xff\xd8\xff\xd9", "cut off"),
    ],
)
def test_what_no_camera_sends_is_refused_at_once(picture: bytes, reason: str) -> None:
    began = perf_counter()
    with pytest.raises(JpegError, match=reason):
        check(picture)
    assert perf_counter() - began < 0.2


@given(at=st.integers(0, 700), value=st.binary(min_size=1, max_size=4))
def test_damaged_headers_raise_nothing_else(at: int, value: bytes) -> None:
    damaged = SMALL[:at] + value + SMALL[at + len(value) :]
    for picture in (damaged, damaged[: at + len(value)]):
        try:
            check(picture)
            decodable(picture)
        except JpegError:
            continue


def test_only_what_a_decoder_needs_is_left() -> None:
    picture = encoded(64, 48, icc_profile=bytes(60_000), comment=b"x" * 1000)
    assert len(picture) > 60_000
    assert decodable(picture) == decodable(SMALL) == SMALL
