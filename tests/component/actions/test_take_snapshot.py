"""`pi_mjpeg.take_snapshot` returns where the picture is, writes only to allowed folders, and raises its failures."""

import io
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from PIL import ExifTags, Image

from tests.component.conftest import FRONT, state_of
from tests.component.support.fake_pi import Pi, jpeg

pytestmark = pytest.mark.usefixtures("loaded")


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """A folder that Home Assistant may write to."""
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    return tmp_path


def names_in(folder: Path) -> list[str]:
    """Return the names of all files in a folder, half ones included."""
    return [file.name for file in folder.iterdir()]


async def take(hass: HomeAssistant, **data: object) -> dict[str, Any]:
    answer = await hass.services.async_call(
        "pi_mjpeg", "take_snapshot", {"entity_id": FRONT, **data}, blocking=True, return_response=True
    )
    assert answer is not None
    described = answer[FRONT]
    assert isinstance(described, dict)
    return dict(described)


async def test_the_pi_keeps_it_and_the_answer_says_where(hass: HomeAssistant, pi: Pi) -> None:
    answer = await take(hass)
    # The address is ours, whatever host the server names: automations pass it to phones.
    assert answer.pop("url").startswith(f"{pi.url}/snapshots/front-20261122T100000000Z-9f3a61c2.jpg?sig=")
    assert answer == {
        "path": None,
        "link": None,
        "time": "2026-11-22T10:00:00+00:00",
        "width": 1280,
        "height": 720,
        "bytes": 91234,
    }
    assert pi.requests[-1] == "POST /api/cameras/front/snapshots"
    assert state_of(hass, "image.front_door_last_snapshot") == "2026-11-22T10:00:00+00:00"


async def test_a_kept_snapshot_is_also_written_to_a_file(hass: HomeAssistant, folder: Path) -> None:
    path = folder / "doors" / "front_door.jpg"
    answer = await take(hass, filename=str(path))
    assert answer["path"] == str(path)
    assert path.read_bytes() == jpeg(8)
    assert names_in(path.parent) == ["front_door.jpg"]


async def test_without_keeping_it_the_file_is_all_there_is_of_it(hass: HomeAssistant, folder: Path, pi: Pi) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (320, 180)).save(picture, "JPEG")

    async def small(_: web.Request) -> web.StreamResponse:
        return web.Response(body=picture.getvalue(), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = small
    answer = await take(hass, filename=str(folder / "a.jpg"), keep=False, width=320)
    assert (answer["url"], answer["width"], answer["height"]) == (None, 320, 180)
    assert answer["bytes"] == len(picture.getvalue()) == (folder / "a.jpg").stat().st_size
    assert pi.requests[-1] == "GET /cameras/front/snapshot.jpg?width=320"


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ({"keep": False}, "nowhere_to_put"),
        ({"width": 320}, "kept_has_full_size"),
        ({"filename": "/etc/pi_mjpeg.jpg"}, "path_not_allowed"),
        ({"filename": "{folder}/../up.jpg"}, "path_not_allowed"),
        ({"filename": "{folder}/x.html"}, "not_a_picture"),
        ({"filename": "{folder}/x.jpg.svg"}, "not_a_picture"),
        ({"filename": "{folder}/x"}, "not_a_picture"),
        ({"filename": "{folder}/.jpg"}, "not_a_picture"),
    ],
)
async def test_invalid_options_are_refused_without_a_request(
    hass: HomeAssistant, folder: Path, pi: Pi, data: dict[str, Any], key: str
) -> None:
    before = list(pi.requests)
    if "filename" in data:
        data = {"filename": data["filename"].replace("{folder}", str(folder))}
    with pytest.raises(ServiceValidationError) as caught:
        await take(hass, **data)
    assert caught.value.translation_key == key
    assert pi.requests == before


async def test_several_cameras_need_a_file_each(hass: HomeAssistant, folder: Path) -> None:
    cameras = [FRONT, "camera.shed"]
    with pytest.raises(ServiceValidationError) as caught:
        await take(hass, entity_id=cameras, filename=str(folder / "a.jpg"))
    assert caught.value.translation_key == "one_file_for_several"
    assert names_in(folder) == []


async def test_the_placeholder_stands_for_the_entity(hass: HomeAssistant, folder: Path) -> None:
    answer = await take(hass, filename=f"{folder}/{{entity_id}}-{{x}}-{{}}-%s.jpg")
    assert names_in(folder) == ["camera.front_door-{x}-{}-%s.jpg"]
    assert answer["path"] == f"{folder}/camera.front_door-{{x}}-{{}}-%s.jpg"


async def test_the_size_is_that_at_which_the_picture_is_shown(hass: HomeAssistant, folder: Path, pi: Pi) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    picture = io.BytesIO()
    Image.new("RGB", (320, 180)).save(picture, "JPEG", exif=exif)

    async def turned(_: web.Request) -> web.StreamResponse:
        return web.Response(body=picture.getvalue(), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = turned
    answer = await take(hass, filename=str(folder / "a.jpg"), keep=False)
    assert (answer["width"], answer["height"]) == (180, 320)


async def test_a_pi_that_is_gone_is_an_error_that_says_so(hass: HomeAssistant, pi: Pi) -> None:
    await pi.stop()
    with pytest.raises(HomeAssistantError) as caught:
        await take(hass)
    assert caught.value.translation_key == "snapshot_failed"
