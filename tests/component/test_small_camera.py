"""The second camera entity: small pictures, and in everything else the same camera."""

import asyncio
import io
from pathlib import Path

import pytest
from aiohttp import ClientResponse, ClientSession
from homeassistant.components.camera import async_get_image, async_get_stream_source
from homeassistant.components.camera.const import DATA_COMPONENT
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.translation import async_get_translations
from PIL import Image
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.camera import PiMjpegCamera
from custom_components.pi_mjpeg.const import CONF_FPS, DOMAIN
from tests.component.conftest import FRONT, LIVE, state_of, until
from tests.component.privacy.conftest import SWITCH, make_private
from tests.component.support.fake_pi import NODE, Pi, jpeg

SMALL = "camera.front_door_small"
SMALL_LIVE = f"/api/camera_proxy_stream/{SMALL}"
STREAM = "GET /cameras/front/stream"
SMALL_STREAM = f"{STREAM}?width=640&fps=8"
SNAPSHOT = "POST /api/cameras/front/snapshots"
IMG = {"Accept": "image/avif,image/webp,*/*;q=0.8"}


@pytest.fixture
def enabled(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    """A person has enabled the small entity of the front door."""
    er.async_get(hass).async_get_or_create(
        "camera", DOMAIN, f"{NODE}_front_camera_small", config_entry=entry, suggested_object_id="front_door_small"
    )


@pytest.fixture
def both(enabled: None, loaded: MockConfigEntry) -> MockConfigEntry:
    """The entry, set up with both entities."""
    return loaded


def streams(pi: Pi) -> list[str]:
    return [request for request in pi.requests if "/stream" in request]


def stills(pi: Pi) -> list[str]:
    return [request.rpartition("/")[2] for request in pi.requests if "snapshot.jpg" in request]


def width_of(picture: bytes) -> int:
    with Image.open(io.BytesIO(picture)) as image:
        return image.width


def wide_jpeg(level: int = 90) -> bytes:
    """Return what an older server sends in spite of the width."""
    buffer = io.BytesIO()
    Image.new("L", (1280, 720), level).save(buffer, "JPEG")
    return buffer.getvalue()


def token_of(hass: HomeAssistant, entity_id: str) -> str:
    state = hass.states.get(entity_id)
    assert state is not None
    return str(state.attributes["access_token"])


async def picture_in(response: ClientResponse) -> bytes:
    """Return the next whole picture of a stream."""
    start = b"\xff\xd8"
    await response.content.readuntil(start)
    return start + (await response.content.readuntil(b"\r\n--frame"))[: -len(b"\r\n--frame")]


async def test_it_is_disabled_until_a_person_wants_it(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    registry = er.async_get(hass)
    small = registry.entities[SMALL]
    assert (small.unique_id, small.disabled_by) == (
        f"{NODE}_front_camera_small",
        er.RegistryEntryDisabler.INTEGRATION,
    )
    assert small.device_id == registry.entities[FRONT].device_id
    assert registry.entities[FRONT].unique_id == f"{NODE}_front_camera"
    assert hass.states.get(SMALL) is None


@pytest.mark.parametrize(
    ("language", "name"),
    [
        ("en", "Small"),
        ("de", "Klein"),
        ("es", "Pequeña"),
        ("fr", "Petite"),
        ("it", "Piccola"),
        ("nl", "Klein"),
        ("pl", "Mała"),
    ],
)
async def test_its_name_is_translated(hass: HomeAssistant, both: MockConfigEntry, language: str, name: str) -> None:
    state = hass.states.get(SMALL)
    assert state is not None
    assert state.attributes["friendly_name"] == "Front door Small"
    found = await async_get_translations(hass, language, "entity", {"pi_mjpeg"})
    assert found["component.pi_mjpeg.entity.camera.small.name"] == name


@pytest.mark.usefixtures("both")
async def test_all_its_dashboards_share_one_small_stream(pi: Pi, hass_client: ClientSessionGenerator) -> None:
    pi.show(jpeg(1))
    client = await hass_client()
    responses = [await client.get(SMALL_LIVE) for _ in range(4)]
    for response in responses:
        await response.content.readuntil(jpeg(1))
    assert streams(pi) == [SMALL_STREAM]
    responses.append(await client.get(LIVE))
    await responses[-1].content.readuntil(jpeg(1))
    assert streams(pi) == [SMALL_STREAM, STREAM]
    for response in responses:
        response.close()
    await until(lambda: pi.watching == 0)


@pytest.mark.usefixtures("enabled")
@pytest.mark.parametrize(("option", "fps"), [(2.5, "2.5"), (25, "8")])
async def test_a_rate_in_the_options_makes_it_slower_and_never_faster(
    hass: HomeAssistant,
    pi: Pi,
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    option: float,
    fps: str,
) -> None:
    hass.config_entries.async_update_entry(entry, options={CONF_FPS: option})
    assert await hass.config_entries.async_setup(entry.entry_id)
    pi.show(jpeg(1))
    response = await (await hass_client()).get(SMALL_LIVE)
    await response.content.readuntil(jpeg(1))
    assert streams(pi) == [f"{STREAM}?width=640&fps={fps}"]
    response.close()


@pytest.mark.usefixtures("both")
@pytest.mark.parametrize(
    ("size", "query"),
    [
        ({}, "width=640"),
        ({"width": 320}, "width=320&max_age=2000"),
        ({"width": 2000}, "width=640&max_age=2000"),
        ({"height": 90}, "width=640&height=90&max_age=2000"),
        ({"width": 0, "height": 0}, "width=640&max_age=2000"),
    ],
)
async def test_a_still_is_small_too(hass: HomeAssistant, pi: Pi, size: dict[str, int], query: str) -> None:
    await async_get_image(hass, SMALL, **size)
    assert stills(pi) == [f"snapshot.jpg?{query}"]


@pytest.mark.usefixtures("both")
async def test_the_snapshot_action_saves_a_small_picture(hass: HomeAssistant, pi: Pi, tmp_path: Path) -> None:
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    data = {"entity_id": SMALL, "filename": str(tmp_path / "door.jpg")}
    await hass.services.async_call("camera", "snapshot", data, blocking=True)
    assert stills(pi) == ["snapshot.jpg?width=640"]


@pytest.mark.usefixtures("both")
async def test_a_thumbnail_is_its_own_live_picture_and_not_that_of_the_other_entity(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    client = await hass_client()
    large = await client.get(LIVE)
    await large.content.readuntil(jpeg(1))
    assert (await async_get_image(hass, SMALL, width=320)).content == jpeg(7)
    small = await client.get(SMALL_LIVE)
    await small.content.readuntil(jpeg(1))
    assert (await async_get_image(hass, SMALL, width=320)).content == jpeg(1)
    large.close()
    small.close()


@pytest.mark.usefixtures("both")
async def test_an_older_server_s_large_pictures_are_shown_but_its_stills_are_small(
    hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    pi.show(wide_jpeg())
    response = await (await hass_client()).get(SMALL_LIVE)
    assert await picture_in(response) == wide_jpeg()
    assert (await async_get_image(hass, SMALL, width=640)).content == jpeg(7)
    assert stills(pi) == ["snapshot.jpg?width=640&max_age=2000"]
    response.close()


@pytest.mark.usefixtures("both")
async def test_programs_get_the_small_stream(hass: HomeAssistant, pi: Pi) -> None:
    pi.show(jpeg(1))
    source = await async_get_stream_source(hass, SMALL)
    assert source is not None
    async with ClientSession() as session, session.get(source) as response:
        await response.content.readuntil(jpeg(1))
    assert streams(pi) == [SMALL_STREAM]


@pytest.mark.usefixtures("both")
async def test_privacy_is_that_of_the_camera(hass: HomeAssistant, pi: Pi, hass_client: ClientSessionGenerator) -> None:
    pi.show(jpeg(1))
    response = await (await hass_client()).get(SMALL_LIVE, headers=IMG)
    await response.content.readuntil(jpeg(1))
    await make_private(hass)
    async with asyncio.timeout(1):
        off = await picture_in(response)
    assert width_of(off) == 640
    assert await picture_in(response) == off
    await until(lambda: pi.watching == 0)
    assert (await async_get_image(hass, SMALL, width=320)).content == off
    for ask in (async_get_image, async_get_stream_source):
        with pytest.raises(HomeAssistantError, match="is off"):
            await ask(hass, SMALL)
    await hass.services.async_call("camera", "turn_on", {"entity_id": SMALL}, blocking=True)
    assert (state_of(hass, SWITCH), pi.camera()["enabled"]) == ("off", True)
    await response.content.readuntil(jpeg(1))
    response.close()


async def test_the_camera_can_be_turned_off_by_it_while_the_pi_is_away(
    hass: HomeAssistant, both: MockConfigEntry, pi: Pi
) -> None:
    er.async_get(hass).async_update_entity(FRONT, disabled_by=er.RegistryEntryDisabler.USER)
    await pi.stop()
    await both.runtime_data.async_refresh()
    assert state_of(hass, SMALL) == "unavailable"
    await hass.services.async_call("camera", "turn_off", {"entity_id": SMALL}, blocking=True)
    await hass.async_block_till_done()
    assert (state_of(hass, SWITCH), state_of(hass, SMALL)) == ("on", "idle")
    await pi.start(pi.port)
    await both.runtime_data.async_refresh()
    assert pi.camera()["enabled"] is False


@pytest.mark.usefixtures("short_hub_times")
async def test_a_view_stays_open_in_a_stall_and_one_that_was_lost_gets_a_new_url(
    hass: HomeAssistant, both: MockConfigEntry, pi: Pi, hass_client_no_auth: ClientSessionGenerator
) -> None:
    client = await hass_client_no_auth()
    entity = hass.data[DATA_COMPONENT].get_entity(SMALL)
    assert isinstance(entity, PiMjpegCamera)
    pi.show(jpeg(1))
    params = {"token": token_of(hass, SMALL)}
    lost, other = [await client.get(SMALL_LIVE, params=params, headers=IMG) for _ in range(2)]
    for view in (lost, other):
        await view.content.readuntil(jpeg(1))
    pi.stalled = True
    await until(lambda: entity.hub.is_stalled)
    while await picture_in(other) == jpeg(1):
        pass
    lost.close()
    await until(lambda: entity.hub.viewers == 1)
    pi.stalled = False
    pi.show(jpeg(2))
    await until(lambda: token_of(hass, SMALL) != params["token"])
    await other.content.read()
    view = await client.get(SMALL_LIVE, params={"token": token_of(hass, SMALL)}, headers=IMG)
    await view.content.readuntil(jpeg(2))
    view.close()
    pi.camera()["available"] = False
    await both.runtime_data.async_refresh()
    assert state_of(hass, SMALL) == "unavailable"


@pytest.mark.usefixtures("both")
async def test_the_actions_act_on_its_camera_in_full_size(hass: HomeAssistant, pi: Pi) -> None:
    taken = await hass.services.async_call(
        "pi_mjpeg", "take_snapshot", {"entity_id": SMALL}, blocking=True, return_response=True
    )
    assert list(taken or {}) == [SMALL]
    assert pi.requests.count(SNAPSHOT) == 1
    data = {"entity_id": SMALL, "before": 0, "after": 0}
    clip = await hass.services.async_call("pi_mjpeg", "record_clip", data, blocking=True, return_response=True)
    assert list(clip or {}) == [SMALL]
    assert len(pi.clips) == 1


@pytest.mark.usefixtures("both")
async def test_a_device_is_one_camera_for_an_action(hass: HomeAssistant, pi: Pi) -> None:
    registry = er.async_get(hass)
    device = registry.entities[FRONT].device_id
    assert device is not None
    area = ar.async_get(hass).async_create("Hall")
    dr.async_get(hass).async_update_device(device, area_id=area.id)

    async def take(**target: object) -> list[str]:
        pi.requests.clear()
        taken = await hass.services.async_call("pi_mjpeg", "take_snapshot", target, blocking=True, return_response=True)
        assert pi.requests.count(SNAPSHOT) == len(taken or {})
        return sorted(taken or {})

    assert await take(device_id=device) == [FRONT]
    assert await take(area_id=area.id) == [FRONT]
    # The one that was named is enough, and who names both gets both.
    assert await take(area_id=area.id, entity_id=SMALL) == [SMALL]
    assert await take(area_id=area.id, entity_id=[FRONT, SMALL]) == [FRONT, SMALL]
    for entity in list(registry.entities.values()):
        if entity.domain == "camera" and entity.entity_id not in {FRONT, SMALL}:
            registry.async_update_entity(entity.entity_id, disabled_by=er.RegistryEntryDisabler.USER)
    assert await take(entity_id="all") == [FRONT]
    registry.async_update_entity(FRONT, disabled_by=er.RegistryEntryDisabler.USER)
    assert await take(device_id=device) == [SMALL]
    assert await take(entity_id="all") == [SMALL]
