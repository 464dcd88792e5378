"""A picture is the right way up in every size, and every size that somebody asks for gives one."""

import asyncio
import io
from pathlib import Path

import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant
from PIL import ExifTags, Image, ImageOps
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.pictures import shown_size, side, upright
from tests.component.conftest import FRONT, LIVE, STILL
from tests.component.support.fake_pi import Pi

BLANK = Image.new("RGB", (1280, 720), "black")
BLANK.paste("red", (0, 0, 640, 360))
"""Its upper left quarter is red."""


def turned(orientation: int | None) -> bytes:
    """Return a JPEG whose pixels have to be turned to be shown."""
    exif = Image.Exif()
    if orientation is not None:
        exif[ExifTags.Base.Orientation] = orientation
    jpeg = io.BytesIO()
    BLANK.save(jpeg, "JPEG", exif=exif)
    return jpeg.getvalue()


def corner(jpeg: bytes) -> tuple[bool, bool]:
    """Return whether the red quarter is at the top, and whether it is on the left, as the pixels are."""
    with Image.open(io.BytesIO(jpeg)) as image:
        small = image.convert("RGB").resize((2, 2), Image.Resampling.BOX)
    red = next((x, y) for y in (0, 1) for x in (0, 1) if _is_red(small, x, y))
    return (red[1] == 0, red[0] == 0)


def _is_red(image: Image.Image, x: int, y: int) -> bool:
    pixel = image.getpixel((x, y))
    assert isinstance(pixel, tuple)
    return pixel[0] > 128


def as_shown(jpeg: bytes) -> bytes:
    with Image.open(io.BytesIO(jpeg)) as image:
        shown = io.BytesIO()
        ImageOps.exif_transpose(image).save(shown, "JPEG")
    return shown.getvalue()


@pytest.mark.parametrize("orientation", range(2, 9))
@pytest.mark.parametrize("box", [(None, None), (320, None), (None, 200), (320, 180), (8192, 8192), (16, 16)])
def test_every_orientation_is_applied_in_every_size(orientation: int, box: tuple[int | None, int | None]) -> None:
    jpeg = turned(orientation)
    copy = upright(jpeg, *box)
    assert corner(copy) == corner(as_shown(jpeg))
    with Image.open(io.BytesIO(copy)) as image:
        assert ExifTags.Base.Orientation not in image.getexif()
        width, height = image.size
    assert width <= (box[0] or 8192)
    assert height <= (box[1] or 8192)
    shown = shown_size(jpeg)
    assert shown == ((720, 1280) if orientation > 4 else (1280, 720))
    assert width / height == pytest.approx(shown[0] / shown[1], rel=0.15)


@pytest.mark.parametrize("orientation", [None, 0, 1, 9, 65535])
def test_a_picture_that_is_upright_is_passed_on_unchanged(orientation: int | None) -> None:
    jpeg = turned(orientation)
    assert upright(jpeg, 100, 100) is jpeg


@pytest.mark.parametrize(
    "jpeg", [b"", b"\xff\xd8\xff\xd9", turned(6)[:-9000], b"\xff\xd8\xff\xe1\x00\x10Exif\0\0" + bytes(99)]
)
def test_a_picture_that_cannot_be_read_is_passed_on_unchanged(jpeg: bytes) -> None:
    assert upright(jpeg, 100, 100) is jpeg


@pytest.mark.parametrize(
    ("asked", "given"),
    [(None, None), (0, None), (-1, None), (1, 16), (16, 16), (490, 490), (20000, 8192), (2**70, 8192)],
)
def test_the_server_is_asked_for_no_size_that_it_refuses(asked: int | None, given: int | None) -> None:
    assert side(asked) == given


@pytest.fixture
def strict(loaded: MockConfigEntry, pi: Pi) -> Pi:
    """A Pi that refuses sizes as the server does, and gives a turned picture only in full size."""

    async def still(request: web.Request) -> web.StreamResponse:
        for name in ("width", "height"):
            if name in request.query and not 16 <= int(request.query[name]) <= 8192:
                return web.json_response({"error": {"code": "bad_request", "message": name}}, status=400)
        return web.Response(body=turned(6), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = still
    return pi


@pytest.mark.usefixtures("strict")
@pytest.mark.parametrize(
    "query",
    [
        *("width=490&height=0", "width=0&height=0", "width=8", "height=8", "width=20000", "width=320", "height=180"),
        *("width=-5&height=-5", "width=8&height=20000", "width=720&height=1280", "width=99999999999999999999"),
        *("width=490.5&height=276.25", "width=NaN&height=NaN", "width=undefined", "width=-Infinity&height=320px"),
    ],
)
@pytest.mark.parametrize("watched", [False, True])
async def test_every_size_gives_an_upright_picture_whether_or_not_somebody_watches(
    pi: Pi, hass_client: ClientSessionGenerator, query: str, *, watched: bool
) -> None:
    client = await hass_client()
    view = None
    if watched:
        pi.latest = turned(6)
        view = await client.get(LIVE)
        await view.content.readuntil(turned(6)[-50:])
    response = await client.get(f"{STILL}?{query}")
    assert response.status == 200
    assert corner(await response.read()) == corner(as_shown(turned(6)))
    if view is not None:
        assert not [request for request in pi.requests if "snapshot.jpg" in request]
        view.close()


async def test_a_full_size_picture_keeps_what_the_camera_made(hass: HomeAssistant, strict: Pi, tmp_path: Path) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    data = {"entity_id": FRONT, "filename": str(tmp_path / "a.jpg")}
    await hass.services.async_call("camera", "snapshot", data, blocking=True)
    assert await asyncio.to_thread((tmp_path / "a.jpg").read_bytes) == turned(6)
