"""Clips: the action that records one, the media browser, and the URLs at which they are served."""

import asyncio
import io
import json
import re
from http import HTTPStatus
from pathlib import Path
from typing import Any

import av
import pytest
from homeassistant.components.media_source import (
    BrowseMediaSource,
    Unresolvable,
    async_browse_media,
    async_resolve_media,
)
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError, ServiceValidationError
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.pi_mjpeg.clips import library as library_module
from custom_components.pi_mjpeg.clips.film import FilmError, make_film
from custom_components.pi_mjpeg.clips.library import LIBRARY
from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import FRONT, poll, state_of
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import NODE, Pi, example, jpeg


@pytest.fixture(autouse=True)
def _own_folders(hass: HomeAssistant, tmp_path: Path) -> None:
    """Give each test a configuration folder with local media in it."""
    hass.config.config_dir = str(tmp_path)
    media = tmp_path / "media"
    media.mkdir()
    hass.config.media_dirs = {"local": str(media)}
    hass.config.allowlist_external_dirs = {str(media)}


@pytest.fixture
async def browser(hass: HomeAssistant, loaded: MockConfigEntry) -> MockConfigEntry:
    """The entry, with the media browser."""
    assert await async_setup_component(hass, "media_source", {})
    await hass.async_block_till_done()
    return loaded


async def record(hass: HomeAssistant, **data: object) -> dict[str, Any]:
    """Record a clip with the front camera, and return the response for it."""
    answer = await hass.services.async_call(
        DOMAIN, "record_clip", {"entity_id": FRONT, **data}, blocking=True, return_response=True
    )
    assert answer is not None
    found = answer[FRONT]
    assert isinstance(found, dict)
    return found


def files(folder: Path) -> dict[str, bytes]:
    """Return the contents of all files below a folder, by their paths in it."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def times(film: Path | io.BytesIO) -> list[float]:
    """Return the times of the pictures of a film, in seconds."""
    with av.open(str(film) if isinstance(film, Path) else film, "r") as opened:
        assert opened.streams.video[0].codec_context.name == "h264"
        return sorted(float(frame.time or 0) for frame in opened.decode(video=0))


async def test_a_clip_is_recorded_and_the_response_says_what_it_has(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    answer = await record(hass, before=2, after=1)
    kept = pi.clips[0].document
    assert answer == {
        "path": None,
        "link": None,
        "url": f"{pi.url}/clips/{kept['id']}.mjpeg?sig=sig-mjpeg",
        "media_content_id": f"media-source://{DOMAIN}/{loaded.entry_id}/front/2026-11-22/{kept['id']}",
        "time": "2026-11-22T10:00:00+00:00",
        **{name: kept[name] for name in ("duration", "before", "after", "frames", "bytes", "width", "height")},
    }


async def test_it_is_written_as_a_film_with_its_own_times(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, tmp_path: Path
) -> None:
    answer = await record(hass, before=1, after=1, filename="clips/{entity_id}.mp4")
    path = tmp_path / "media" / "clips" / f"{FRONT}.mp4"
    assert answer["path"] == str(path)
    assert times(path) == pytest.approx([n / 10 for n in range(21)], abs=0.002)
    assert list(files(path.parent)) == [path.name]


async def test_it_is_written_as_it_is(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, tmp_path: Path) -> None:
    await record(hass, filename="front.mjpeg")
    assert files(tmp_path / "media") == {"front.mjpeg": pi.clips[0].body}


@pytest.mark.parametrize(
    ("filename", "key"),
    [
        ("front.jpg", "not_a_film"),
        ("front", "not_a_film"),
        ("/etc/front.mp4", "path_not_allowed"),
        ("../front.mp4", "path_not_allowed"),
    ],
)
async def test_a_wrong_file_name_is_refused_before_anything_is_recorded(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, filename: str, key: str
) -> None:
    with pytest.raises(ServiceValidationError) as caught:
        await record(hass, filename=filename)
    assert caught.value.translation_key == key
    assert pi.clips == []


async def test_without_an_encoder_no_film_is_promised(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "can_make_films", lambda: False)
    with pytest.raises(ServiceValidationError) as caught:
        await record(hass, filename="front.mp4")
    assert caught.value.translation_key == "no_films"


@pytest.mark.parametrize("data", [{"before": -1}, {"before": 61}, {"after": 301}, {"after": "x"}, {"seconds": 1}])
async def test_wrong_seconds_are_refused(hass: HomeAssistant, loaded: MockConfigEntry, data: dict[str, object]) -> None:
    with pytest.raises(Exception, match=r"value must be|expected float|not a valid option|extra keys|Unknown"):
        await record(hass, **data)


async def test_privacy_refuses_and_ends_it(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, tmp_path: Path
) -> None:
    recording = asyncio.create_task(record(hass, after=5, filename="front.mp4"))
    await pi.recording.wait()
    await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    with pytest.raises(HomeAssistantError):
        await recording
    assert files(tmp_path / "media") == {}
    requests = len(pi.requests)
    with pytest.raises(HomeAssistantError):
        await record(hass)
    assert not any("clips" in request for request in pi.requests[requests:])


async def test_half_a_clip_is_an_error_and_leaves_no_file(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, tmp_path: Path
) -> None:
    pi.cuts_clips = True
    for name in ("front.mp4", "front.mjpeg"):
        with pytest.raises(HomeAssistantError, match="of the clip"):
            await record(hass, filename=name)
    assert not [name for name in files(tmp_path) if name.endswith((".mp4", ".mjpeg", ".unfinished"))]


async def browse(hass: HomeAssistant, identifier: str) -> BrowseMediaSource:
    found = await async_browse_media(hass, f"media-source://{DOMAIN}/{identifier}".rstrip("/"))
    assert isinstance(found, BrowseMediaSource)
    return found


def identifiers(found: BrowseMediaSource) -> list[str]:
    """Return the identifiers of what is in a folder."""
    return [str(getattr(child, "identifier", None)) for child in found.children or []]


async def test_the_media_browser_shows_camera_day_and_time(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry
) -> None:
    await hass.config.async_set_time_zone("Europe/Berlin")
    pi.clips = [make_clip(number) for number in (0, 1, 8)]
    root = await browse(hass, "")
    assert [child.title for child in root.children or []] == ["Garden Pi: Front door", "Garden Pi: Shed"]
    front, shed = identifiers(root)
    days = await browse(hass, front)
    assert days.title == "Front door"
    assert [child.title for child in days.children or []] == ["2026-11-23", "2026-11-22"]
    clips = (await browse(hass, f"{front}/2026-11-22")).children or []
    assert [child.title for child in clips] == ["13:00:00 (2 s)", "11:00:00 (2 s)"]
    assert all(child.can_play and not child.can_expand for child in clips)
    assert clips[0].thumbnail == f"/api/{DOMAIN}/clips/{browser.entry_id}/{pi.clips[1].document['id']}.jpg"
    assert (await browse(hass, shed)).children == []


@pytest.mark.parametrize("identifier", ["nobody", "nobody/front", "{entry}/attic", "{entry}/front/2026-11-22/x"])
async def test_what_is_not_there_cannot_be_browsed(
    hass: HomeAssistant, browser: MockConfigEntry, identifier: str
) -> None:
    with pytest.raises(Exception, match="no such camera"):
        await browse(hass, identifier.format(entry=browser.entry_id))


async def test_a_film_plays_from_the_media_browser_with_ranges(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    answer = await record(hass, before=1, after=1)
    media = await async_resolve_media(hass, answer["media_content_id"], None)
    assert media.mime_type == "video/mp4"
    client = await hass_client()
    response = await client.get(media.url)
    assert (response.status, response.content_type) == (HTTPStatus.OK, "video/mp4")
    film = await response.read()
    assert len(times(io.BytesIO(film))) == 21
    response = await client.get(media.url, headers={"Range": "bytes=10-19"})
    assert (response.status, await response.read()) == (HTTPStatus.PARTIAL_CONTENT, film[10:20])
    # It is made once.
    assert sum(".bin" in request for request in pi.requests) == 1
    thumbnail = await client.get(re.sub("mp4$", "jpg", media.url))
    assert await thumbnail.read() == jpeg(9)


async def test_without_an_encoder_the_clip_is_replayed_as_a_picture_that_moves(
    hass: HomeAssistant,
    pi: Pi,
    browser: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(library_module, "can_make_films", lambda: False)
    answer = await record(hass)
    media = await async_resolve_media(hass, answer["media_content_id"], None)
    assert media.mime_type == "image/jpeg"
    response = await (await hass_client()).get(media.url)
    assert response.headers["Content-Type"] == "multipart/x-mixed-replace; boundary=frame"
    assert await response.read() == pi.clips[0].body


async def test_a_pi_that_is_gone_is_said_in_words(hass: HomeAssistant, pi: Pi, browser: MockConfigEntry) -> None:
    answer = await record(hass)
    await pi.stop()
    with pytest.raises(Unresolvable, match="cannot be reached"):
        await async_resolve_media(hass, answer["media_content_id"], None)


async def test_films_take_a_bounded_room(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library_module, "MAX_BYTES", 1)
    library, client = hass.data[LIBRARY], browser.runtime_data.client
    for _ in range(3):
        await record(hass)
    for clip in await client.kept.clips("front"):
        film = await library.film(client, NODE, clip)
        assert film.name in {Path(name).name for name in files(tmp_path)}
    assert sum(name.endswith(".mp4") for name in files(tmp_path)) == 1


@pytest.mark.parametrize("rotation", [1, 6])
def test_a_film_is_upright(tmp_path: Path, rotation: int) -> None:
    (tmp_path / "clip").write_bytes(make_clip(0, rotation=rotation).body)
    make_film(tmp_path / "clip", tmp_path / "film.mp4")
    with av.open(str(tmp_path / "film.mp4")) as film:
        frame = next(film.decode(video=0))
    assert (frame.width, frame.height) == ((160, 90) if rotation == 1 else (90, 160))


@pytest.mark.parametrize("body", [b"", b"no clip", b"--frame\r\nContent-Length: 9\r\n\r\nno picture"])
def test_garbage_makes_no_film(tmp_path: Path, body: bytes) -> None:
    (tmp_path / "clip").write_bytes(body)
    with pytest.raises(FilmError):
        make_film(tmp_path / "clip", tmp_path / "film.mp4")
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["clip"]


def test_a_film_that_cannot_be_written_is_said_without_the_name_of_the_unfinished_one(tmp_path: Path) -> None:
    (tmp_path / "clip").write_bytes(make_clip(0).body)
    with pytest.raises(FilmError, match=r"^No such file or directory$"):
        make_film(tmp_path / "clip", tmp_path / "nowhere" / "film.mp4")


def test_damaged_pictures_are_left_out(tmp_path: Path) -> None:
    body = make_clip(0).body
    at = body.index(b"\xff\xd8", len(body) // 2)
    (tmp_path / "clip").write_bytes(body[:at] + b"\0\0" + body[at + 2 :])
    make_film(tmp_path / "clip", tmp_path / "film.mp4")
    assert len(times(tmp_path / "film.mp4")) == 20


async def test_a_new_clip_is_an_event_and_the_last_clip_is_shown(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    kept = json.loads(example("clip.json"))
    # What the Pi kept before is no event.
    assert state_of(hass, "event.front_door_clip") == "unknown"
    assert state_of(hass, "image.front_door_last_clip") == "2026-11-22T10:00:30+00:00"
    pi.clips = [make_clip(0)]
    answer = await record(hass, before=2, after=1)
    await hass.async_block_till_done()
    event = hass.states.get("event.front_door_clip")
    assert event is not None
    assert event.attributes["event_type"] == "recorded"
    assert event.attributes["media_content_id"] == answer["media_content_id"]
    assert (event.attributes["before"], event.attributes["after"]) == (2, 1)
    assert kept["id"] < pi.clips[-1].document["id"]
    assert state_of(hass, "image.front_door_last_clip") == "2026-11-22T12:00:00+00:00"
    response = await (await hass_client()).get("/api/image_proxy/image.front_door_last_clip")
    assert await response.read() == jpeg(9)
    fired = event.state
    await poll(hass)
    assert state_of(hass, "event.front_door_clip") == fired
