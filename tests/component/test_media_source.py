"""The media browser: clips and kept snapshots by camera, day and time."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from homeassistant.components.media_source import (
    BrowseMediaSource,
    Unresolvable,
    async_browse_media,
    async_resolve_media,
)
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]
from pytest_homeassistant_custom_component.typing import ClientSessionGenerator  # type: ignore[import-untyped]

from custom_components.pi_mjpeg.const import DOMAIN
from custom_components.pi_mjpeg.kept_snapshots import THUMBNAIL_WIDTH
from tests.component.conftest import FRONT
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import Pi, example, jpeg


@pytest.fixture
async def browser(hass: HomeAssistant, loaded: MockConfigEntry, tmp_path: Path) -> MockConfigEntry:
    """The entry, with the media browser, in Berlin."""
    hass.config.config_dir = str(tmp_path)
    assert await async_setup_component(hass, "media_source", {})
    await hass.config.async_set_time_zone("Europe/Berlin")
    await hass.async_block_till_done()
    return loaded


def snapshot(time: str, **changes: object) -> dict[str, Any]:
    """Return the document of a kept snapshot of the front camera of that time, such as `20261122T100000`."""
    document = {key: value for key, value in json.loads(example("snapshot.json")).items() if key != "schema"}
    identity = f"front-{time}000Z-00000001"
    url = f"http://192.168.1.20:8000/snapshots/{identity}.jpg?sig=c2lnbmF0dXJl"
    return {**document, "id": identity, "url": url, **changes}


async def _answer(document: object, status: int = 200) -> web.StreamResponse:
    return web.json_response(document, status=status)


async def browse(hass: HomeAssistant, identifier: str) -> BrowseMediaSource:
    found = await async_browse_media(hass, f"media-source://{DOMAIN}/{identifier}")
    assert isinstance(found, BrowseMediaSource)
    return found


def titles(found: BrowseMediaSource) -> list[str]:
    return [child.title for child in found.children or []]


async def test_a_day_has_clips_and_snapshots_the_newest_first(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    front = f"{browser.entry_id}/front"
    pi.clips = [make_clip(number) for number in (0, 1)]
    pi.snapshots = [snapshot("20261123T080000"), snapshot("20261122T113000"), snapshot("20261121T230500")]
    assert titles(await browse(hass, front)) == ["2026-11-23", "2026-11-22"]
    day = await browse(hass, f"{front}/2026-11-22")
    assert titles(day) == ["13:00:00 (2 s)", "12:30:00", "11:00:00 (2 s)", "00:05:00"]
    picture = (day.children or [])[1]
    assert (picture.can_play, picture.can_expand, picture.media_content_type) == (True, False, "image/jpeg")
    client = await hass_client()
    assert await (await client.get(str(picture.thumbnail))).read() == jpeg(THUMBNAIL_WIDTH)
    media = await async_resolve_media(hass, picture.media_content_id, None)
    assert media.mime_type == "image/jpeg"
    response = await client.get(media.url)
    assert (response.content_type, await response.read()) == ("image/jpeg", jpeg(8))
    assert titles(await browse(hass, f"{browser.entry_id}/shed")) == []
    assert titles(await browse(hass, f"{front}/2026-01-01")) == []


async def test_what_is_from_the_future_is_the_oldest(hass: HomeAssistant, pi: Pi, browser: MockConfigEntry) -> None:
    pi.snapshots = [snapshot("20991231T120000"), snapshot("20261122T100000"), snapshot("19700101T000005")]
    days = titles(await browse(hass, f"{browser.entry_id}/front"))
    assert days == ["2026-11-22", "1970-01-01", "2099-12-31"]


async def test_an_older_server_without_a_list_shows_its_clips(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry
) -> None:
    pi.clips, pi.snapshots = [make_clip(0)], None
    day = await browse(hass, f"{browser.entry_id}/front/2026-11-22")
    assert titles(day) == ["11:00:00 (2 s)"]


@pytest.mark.parametrize(
    "odd",
    [
        {"id": "front"},
        {"id": "front-20261122T100000000Z-0000000g"},
        {"id": "../../etc/passwd"},
        {"id": 5},
        {"url": "http://192.168.1.20:8000/snapshots/x.jpg"},
        {"url": None},
        {"url": "javascript:alert(1)"},
    ],
)
async def test_one_that_is_wrong_costs_no_other(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, odd: dict[str, object]
) -> None:
    listed = [snapshot("20261122T110000") | odd, snapshot("20261122T100000", width=-1, bytes="x")]
    pi.answers["/api/cameras/front/snapshots"] = lambda _: _answer({"schema": 1, "snapshots": listed})
    found = titles(await browse(hass, f"{browser.entry_id}/front/2026-11-22"))
    assert found == ["11:00:00"]


@pytest.mark.parametrize(
    "document", [{"schema": 1}, {"schema": 2, "snapshots": []}, [], {"schema": 1, "snapshots": [{}] * 101}]
)
async def test_a_list_that_no_server_sends_is_said_in_words(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, document: object
) -> None:
    pi.answers["/api/cameras/front/snapshots"] = lambda _: _answer(document)
    with pytest.raises(Exception, match="the server's answer cannot be read"):
        await browse(hass, f"{browser.entry_id}/front")


async def test_of_another_camera_none_is_shown(hass: HomeAssistant, pi: Pi, browser: MockConfigEntry) -> None:
    other = snapshot("20261122T110000", id="shed-20261122T110000000Z-00000001")
    pi.answers["/api/cameras/front/snapshots"] = lambda _: _answer({"schema": 1, "snapshots": [other]})
    assert titles(await browse(hass, f"{browser.entry_id}/front")) == []


@pytest.mark.parametrize(
    ("url", "kinds", "unknown"),
    [
        pytest.param("clips/{}/{}.{}", ("mp4", "mjpeg", "jpg"), "exe", id="clips"),
        pytest.param("snapshots/{}/{}/{}.jpg", ("full", "small"), "large", id="snapshots"),
    ],
)
async def test_what_is_kept_needs_a_login_and_has_to_be_there(
    hass: HomeAssistant,
    pi: Pi,
    browser: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    hass_client_no_auth: ClientSessionGenerator,
    url: str,
    kinds: tuple[str, ...],
    unknown: str,
) -> None:
    pi.snapshots, pi.clips = [snapshot("20261122T110000")], [make_clip(0)]
    kept = pi.clips[0].document["id"] if url.startswith("clips") else pi.snapshots[0]["id"]
    stranger, client = await hass_client_no_auth(), await hass_client()

    def path(kept_id: str, kind: str, entry_id: str = browser.entry_id) -> str:
        return f"/api/{DOMAIN}/{url.format(entry_id, kept_id, kind)}"

    for kind in kinds:
        assert (await stranger.get(path(kept, kind))).status == HTTPStatus.UNAUTHORIZED
        assert (await client.get(path(kept, kind))).status == HTTPStatus.OK
    for missing in (
        path(kept, unknown),
        path(f"{kept[:-1]}f", kinds[0]),
        path("attic-20261122T100000000Z-00000000", kinds[0]),
        path("x", kinds[0]),
        path(kept, kinds[0], "nobody"),
    ):
        assert (await client.get(missing)).status == HTTPStatus.NOT_FOUND, missing
    pi.snapshots.clear()
    pi.clips.clear()
    media_id = f"media-source://{DOMAIN}/{browser.entry_id}/front/2026-11-22/{kept}"
    with pytest.raises(Unresolvable, match="not keep"):
        await async_resolve_media(hass, media_id if url.startswith("clips") else f"{media_id}.jpg", None)
    await pi.stop()
    assert (await client.get(path(kept, kinds[0]))).status == HTTPStatus.BAD_GATEWAY


async def test_while_the_camera_is_off_and_the_pi_has_not_heard_nothing_is_shown(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    pi.clips, pi.snapshots = [make_clip(0)], [snapshot("20261122T100000")]
    identity, front = pi.snapshots[0]["id"], f"{browser.entry_id}/front"
    path = f"/api/{DOMAIN}/snapshots/{browser.entry_id}/{identity}/full.jpg"
    client = await hass_client()
    pi.answers["/api/cameras/front"] = lambda _: _answer(json.loads(example("error.json")), 503)
    with pytest.raises(Exception, match="Front door"):
        await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    assert titles(await browse(hass, front)) == []
    assert (await client.get(path)).status == HTTPStatus.NOT_FOUND
    # Once the Pi has heard of it, what it kept before can be seen.
    del pi.answers["/api/cameras/front"]
    await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    assert titles(await browse(hass, front)) == ["2026-11-22"]
    assert (await client.get(path)).status == HTTPStatus.OK


async def test_a_film_has_a_path_for_those_who_take_local_files(
    hass: HomeAssistant, pi: Pi, browser: MockConfigEntry
) -> None:
    pi.clips = [make_clip(0)]
    media_id = f"media-source://{DOMAIN}/{browser.entry_id}/front/2026-11-22/{pi.clips[0].document['id']}"
    media = await async_resolve_media(hass, media_id, None)
    assert media.path is not None
    content = await hass.async_add_executor_job(media.path.read_bytes)
    assert content[4:8] == b"ftyp"
