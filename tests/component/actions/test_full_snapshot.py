"""`pi_mjpeg.take_snapshot` with `full`: the largest size of the camera, and what that cost its viewers."""

import asyncio
import io
import json
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientTimeout, web
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from PIL import Image

from custom_components.pi_mjpeg.api import transport
from tests.component.conftest import FRONT, state_of
from tests.component.support.fake_pi import Pi, example

pytestmark = pytest.mark.usefixtures("loaded")

STILL = "/cameras/front/snapshot.jpg"
KEEP = "/api/cameras/front/snapshots"


@pytest.fixture
def folder(hass: HomeAssistant, tmp_path: Path) -> Path:
    """A folder that Home Assistant may write to."""
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    return tmp_path


def picture(size: tuple[int, int], padding: int = 0) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", size).save(buffer, "JPEG")
    return buffer.getvalue() + bytes(padding)


async def take(hass: HomeAssistant, **data: object) -> dict[str, Any]:
    answer = await hass.services.async_call(
        "pi_mjpeg", "take_snapshot", {"entity_id": FRONT, "full": True, **data}, blocking=True, return_response=True
    )
    assert answer is not None
    described = answer[FRONT]
    assert isinstance(described, dict)
    return dict(described)


def answering(pi: Pi, path: str, response: web.Response | dict[str, Any], bodies: list[bytes] | None = None) -> None:
    """Have the Pi answer with a response, or with this document."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if bodies is not None:
            bodies.append(await request.read())
        return response if isinstance(response, web.Response) else web.json_response(response, status=201)

    pi.answers[path] = answer


async def test_the_pi_keeps_it_and_the_answer_says_its_size_and_the_gap(hass: HomeAssistant, pi: Pi) -> None:
    bodies: list[bytes] = []
    answering(pi, KEEP, json.loads(example("full_snapshot.json")), bodies)
    answer = await take(hass)
    assert [json.loads(body) for body in bodies] == [{"full": True}]
    assert (answer["width"], answer["height"], answer["bytes"], answer["gap"]) == (4608, 2592, 2891234, 0.412)
    assert answer["url"].startswith(f"{pi.url}/snapshots/front-20261122T100000000Z-9f3a61c2.jpg?sig=")
    assert state_of(hass, "image.front_door_last_snapshot") == "2026-11-22T10:00:00+00:00"


async def test_a_kept_one_of_many_bytes_is_written_to_a_file(hass: HomeAssistant, pi: Pi, folder: Path) -> None:
    """More than any picture of the stream may have."""
    document = json.loads(example("full_snapshot.json"))
    whole = picture((4608, 2592), padding=20_000_000)
    answering(pi, KEEP, document)
    answering(pi, f"/snapshots/{document['id']}.jpg", web.Response(body=whole, content_type="image/jpeg"))
    answer = await take(hass, filename=str(folder / "a.jpg"))
    assert answer["path"] == str(folder / "a.jpg")
    assert (folder / "a.jpg").read_bytes() == whole


async def test_without_keeping_it_the_headers_say_the_gap(hass: HomeAssistant, pi: Pi, folder: Path) -> None:
    body = picture((9248, 6944))
    answering(pi, STILL, web.Response(body=body, content_type="image/jpeg", headers={"X-Gap": "0.75"}))
    answer = await take(hass, filename=str(folder / "a.jpg"), keep=False)
    assert (answer["width"], answer["height"], answer["gap"], answer["url"]) == (9248, 6944, 0.75, None)
    assert (folder / "a.jpg").read_bytes() == body
    assert pi.requests[-1] == f"GET {STILL}?full=1"


async def test_it_is_scaled_down_from_the_full_one(hass: HomeAssistant, pi: Pi, folder: Path) -> None:
    answering(pi, STILL, web.Response(body=picture((1920, 1080)), content_type="image/jpeg"))
    await take(hass, filename=str(folder / "a.jpg"), keep=False, width=1920)
    assert pi.requests[-1] == f"GET {STILL}?full=1&width=1920"


@pytest.mark.parametrize("gap", [None, "", "soon", "-1", "nan", "inf", "1e3", "0.4124", "99999"])
async def test_a_server_that_tells_no_gap_with_sense_has_none(
    hass: HomeAssistant, pi: Pi, folder: Path, gap: str | None
) -> None:
    headers = {} if gap is None else {"X-Gap": gap}
    answering(pi, STILL, web.Response(body=picture((64, 48)), content_type="image/jpeg", headers=headers))
    answer = await take(hass, filename=str(folder / "a.jpg"), keep=False)
    assert (answer["gap"], answer["width"], answer["height"]) == (None, 64, 48)


@pytest.mark.parametrize("gap", [-1, "0.4", None, True, 1e9, {}])
async def test_a_gap_without_sense_in_the_document_costs_only_the_gap(hass: HomeAssistant, pi: Pi, gap: object) -> None:
    answering(pi, KEEP, json.loads(example("full_snapshot.json")) | {"gap": gap})
    answer = await take(hass)
    assert (answer["gap"], answer["width"]) == (None, 4608)


async def test_an_older_server_keeps_the_usual_picture(hass: HomeAssistant) -> None:
    answer = await take(hass)
    assert (answer["gap"], answer["width"], answer["height"]) == (None, 1280, 720)


async def test_without_full_no_gap_is_told(hass: HomeAssistant, pi: Pi) -> None:
    answer = await take(hass, full=False)
    assert "gap" not in answer
    assert pi.requests[-1] == f"POST {KEEP}"


async def test_a_server_that_was_asked_too_often_is_quoted(hass: HomeAssistant, pi: Pi) -> None:
    error = {"error": {"code": "busy", "message": "Front has just taken a full-size still; try again in 3 s"}}
    answering(pi, KEEP, web.json_response(error, status=503, headers={"Retry-After": "3"}))
    with pytest.raises(HomeAssistantError, match="try again in 3 s"):
        await take(hass)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (picture((64, 48), padding=50 * 1024 * 1024), "larger than"),
        (picture((64, 48)).replace(b"\x00\x30\x00\x40", b"\x3f\xff\x3f\xff"), "pixels"),
    ],
    ids=["bytes", "pixels"],
)
async def test_a_picture_that_is_too_large_is_refused_in_words(
    hass: HomeAssistant, pi: Pi, folder: Path, body: bytes, words: str
) -> None:
    answering(pi, STILL, web.Response(body=body, content_type="image/jpeg"))
    with pytest.raises(HomeAssistantError, match=words):
        await take(hass, filename=str(folder / "a.jpg"), keep=False)
    assert not await hass.async_add_executor_job((folder / "a.jpg").exists)


async def test_it_may_take_longer_than_other_requests(
    hass: HomeAssistant, pi: Pi, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert transport.STILL_TIMEOUT.total is not None
    assert transport.REQUEST_TIMEOUT.total is not None
    # The server gives up after 60 s.
    assert transport.STILL_TIMEOUT.total > 60 > transport.REQUEST_TIMEOUT.total

    async def slow(_: web.Request) -> web.StreamResponse:
        await asyncio.sleep(0.5)
        return web.Response(body=picture((64, 48)), content_type="image/jpeg")

    pi.answers[STILL] = slow
    entry = hass.config_entries.async_entries("pi_mjpeg")[0]
    monkeypatch.setattr(entry.runtime_data.client.transport, "timeouts", ClientTimeout(total=0.2))
    with pytest.raises(HomeAssistantError, match="too long"):
        await take(hass, full=False, filename=str(folder / "a.jpg"), keep=False)
    assert (await take(hass, filename=str(folder / "a.jpg"), keep=False))["width"] == 64
