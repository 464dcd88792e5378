"""The blueprints work in a real Home Assistant."""

import asyncio
import io
import json
import os
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from time import time

import av
import pytest
from aiohttp import web
from freezegun.api import FrozenDateTimeFactory
from homeassistant.components.blueprint.models import Blueprint
from homeassistant.components.blueprint.schemas import BLUEPRINT_SCHEMA
from homeassistant.core import HomeAssistant, ServiceCall
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.setup import async_setup_component
from homeassistant.util import dt as dt_util
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.actions import links
from tests.component.conftest import FRONT, poll, until
from tests.component.support.fake_clips import make_clip
from tests.component.support.fake_pi import Pi, example, jpeg

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "blueprints/automation/pi_mjpeg"


async def automate(hass: HomeAssistant, name: str, inputs: Mapping[str, object], *others: object) -> None:
    """Make an automation of a blueprint, and others."""
    target = Path(hass.config.path("blueprints/automation/pi_mjpeg"))

    def install() -> None:
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")

    await hass.async_add_executor_job(install)
    config = {"automation": [{"use_blueprint": {"path": f"pi_mjpeg/{name}", "input": inputs}}, *others]}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    assert len(hass.states.async_entity_ids("automation")) == 1 + len(others)


async def stop_automation(hass: HomeAssistant) -> None:
    """Turn the automation off, which ends its timers."""
    entity_ids = hass.states.async_entity_ids("automation")
    await hass.services.async_call("automation", "turn_off", {"entity_id": entity_ids}, blocking=True)


@pytest.fixture(autouse=True)
def _own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path)


def test_they_are_blueprints() -> None:
    files = list(FOLDER.glob("*.yaml"))
    assert len(files) == 3
    for file in files:
        blueprint = Blueprint(load_yaml_dict(file), expected_domain="automation", schema=BLUEPRINT_SCHEMA)
        assert blueprint.validate() is None
        assert str(blueprint.metadata["source_url"]).endswith(f"blueprints/automation/pi_mjpeg/{file.name}")


PHONE = "My phone"


@pytest.fixture
def phone(hass: HomeAssistant) -> str:
    """The device of a phone with Home Assistant's app, which its owner has given another name."""
    entry = MockConfigEntry(domain="mobile_app")
    entry.add_to_hass(hass)
    devices = dr.async_get(hass)
    device = devices.async_get_or_create(config_entry_id=entry.entry_id, identifiers={("mobile_app", "1")}, name=PHONE)
    devices.async_update_device(device.id, name_by_user="Renamed")
    return device.id


async def notify_on_event(hass: HomeAssistant, name: str = "snapshot_and_notify.yaml", **inputs: object) -> None:
    trigger = [{"trigger": "event", "event_type": "moved"}]
    await automate(hass, name, {"trigger": trigger, "camera": FRONT, **inputs})


async def move(hass: HomeAssistant) -> None:
    hass.bus.async_fire("moved")
    await hass.async_block_till_done()


async def test_each_notification_has_the_picture_of_its_trigger(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    sent: list[ServiceCall] = async_mock_service(hass, "notify", "send_message")
    await notify_on_event(hass, phones=[phone], entities=["notify.garden"])
    numbers = iter((21, 22))

    async def kept(_: web.Request) -> web.Response:
        return web.Response(body=jpeg(next(numbers)), content_type="image/jpeg")

    pi.answers[f"/snapshots/{json.loads(example('snapshot.json'))['id']}.jpg"] = kept
    await move(hass)
    await move(hass)
    assert "POST /api/cameras/front/snapshots" in pi.requests
    links = [call.data["data"]["image"] for call in told]
    assert len(set(links)) == 2
    client = await hass_client_no_auth()
    for _ in range(2):
        assert [await (await client.get(link)).read() for link in links] == [jpeg(21), jpeg(22)]
        await hass.config_entries.async_reload(loaded.entry_id)
    assert [call.data["message"] for call in told] == ["Something moved."] * 2
    assert [call.data["message"] for call in sent] == ["Something moved."] * 2
    assert sent[0].data["entity_id"] == ["notify.garden"]


@pytest.mark.parametrize(("name", "count"), [("snapshot_and_notify.yaml", 1), ("clip_and_notify.yaml", 2)])
async def test_the_cameras_own_motion_is_a_trigger_only_if_the_conditions_hold(
    hass: HomeAssistant, loaded: MockConfigEntry, phone: str, name: str, count: int
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    nobody_home = {"condition": "numeric_state", "entity_id": "zone.home", "below": 1}
    motion = "binary_sensor.front_door_motion"
    inputs = {"motion": [motion], "camera": FRONT, "phones": [phone], "only_if": [nobody_home]}
    await automate(hass, name, inputs)
    for persons, before, triggered in (("1", "off", 0), ("0", "off", 1), ("0", "unavailable", 1)):
        hass.states.async_set("zone.home", persons)
        hass.states.async_set(motion, before)
        await hass.async_block_till_done()
        hass.states.async_set(motion, "on")
        await hass.async_block_till_done()
        assert len(told) == triggered * count


@pytest.mark.parametrize("why", ["away", "unavailable"])
async def test_without_a_picture_the_notification_says_so(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, phone: str, why: str
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    further: list[ServiceCall] = async_mock_service(hass, "test", "further")
    then = {"action": "test.further", "data": {"link": "{{ link }}", "text": "{{ text }}"}}
    await notify_on_event(hass, phones=[phone], further=[then])
    await pi.stop()
    if why == "unavailable":
        await poll(hass)
    await move(hass)
    (call,) = told
    assert call.data["message"] == "Something moved. There is no picture."
    assert "image" not in call.data["data"]
    assert further[0].data == {"link": "", "text": "Something moved. There is no picture."}


CLIP = "clip_and_notify.yaml"


async def test_the_film_takes_the_place_of_the_picture_when_it_is_ready(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    pi: Pi,
    phone: str,
    hass_client_no_auth: ClientSessionGenerator,
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    sent: list[ServiceCall] = async_mock_service(hass, "notify", "send_message")
    further: list[ServiceCall] = async_mock_service(hass, "test", "further")
    then = {"action": "test.further", "data": {"film": "{{ film }}", "link": "{{ link }}", "media": "{{ media }}"}}
    inputs = {"phones": [phone], "entities": ["notify.garden"], "before": 1, "after": 2, "further": [then]}
    await notify_on_event(hass, CLIP, **inputs)
    await move(hass)
    await move(hass)
    pictures = [call.data for call in told if "image" in call.data["data"]]
    films = [call.data for call in told if "video" in call.data["data"]]
    assert [call.data["message"] for call in told] == ["Something moved."] * 4
    assert [call.data["message"] for call in sent] == ["Something moved."] * 2
    # The film replaces the picture of its own trigger, and makes no sound again.
    tags = [picture["data"]["tag"] for picture in pictures]
    assert len(set(tags)) == 2
    assert [film["data"]["tag"] for film in films] == tags
    assert all(film["data"]["alert_once"] and film["data"]["push"] == {"sound": "none"} for film in films)
    assert [clip.document["before"] + clip.document["after"] for clip in pi.clips] == [3, 3]
    client = await hass_client_no_auth()
    assert len({film["data"]["video"] for film in films}) == 2
    for picture, film, done in zip(pictures, films, further, strict=True):
        assert await (await client.get(picture["data"]["image"])).read() == jpeg(7)
        response = await client.get(film["data"]["video"])
        assert (response.status, response.content_type) == (200, "video/mp4")
        whole = await response.read()
        with av.open(io.BytesIO(whole), "r") as opened:
            assert opened.streams.video[0].codec_context.name == "h264"
            assert len(list(opened.decode(video=0))) == 31
        # An iPhone plays no film without them.
        ranged = await client.get(film["data"]["video"], headers={"Range": "bytes=0-1"})
        assert (ranged.status, await ranged.read()) == (206, whole[:2])
        assert (done.data["film"], done.data["link"]) == (film["data"]["video"], picture["data"]["image"])
        assert done.data["media"].startswith("media-source://pi_mjpeg/")


async def test_the_picture_is_sent_while_the_clip_is_recorded(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, phone: str
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    recorded = asyncio.Event()

    async def record(_: web.Request) -> web.Response:
        await recorded.wait()
        return web.json_response(json.loads(example("error.json")), status=503)

    pi.answers["/api/cameras/front/clips"] = record
    await notify_on_event(hass, CLIP, phones=[phone])
    hass.bus.async_fire("moved")
    await until(lambda: told)
    assert "image" in told[0].data["data"]
    recorded.set()
    await hass.async_block_till_done()
    # The clip failed. The picture stays.
    assert len(told) == 2
    assert told[1].data["message"] == "Something moved. There is no clip."
    assert told[1].data["data"]["image"] == told[0].data["data"]["image"]
    assert "video" not in told[1].data["data"]


@pytest.mark.parametrize("why", ["away", "unavailable", "off"])
async def test_without_picture_and_clip_the_notifications_say_so(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, phone: str, why: str
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    await notify_on_event(hass, CLIP, phones=[phone])
    if why == "off":
        await hass.services.async_call("camera", "turn_off", {"entity_id": FRONT}, blocking=True)
    else:
        await pi.stop()
    if why == "unavailable":
        await poll(hass)
    await move(hass)
    assert [call.data["message"] for call in told] == [
        "Something moved. There is no picture.",
        "Something moved. There is no picture. There is no clip.",
    ]
    assert not any({"image", "video"} & call.data["data"].keys() for call in told)


async def test_a_clip_without_a_picture_is_sent_nevertheless(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, phone: str
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")

    async def fail(_: web.Request) -> web.Response:
        return web.json_response(json.loads(example("error.json")), status=503)

    pi.answers["/cameras/front/snapshot.jpg"] = fail
    await notify_on_event(hass, CLIP, phones=[phone])
    await move(hass)
    assert [call.data["message"] for call in told] == ["Something moved. There is no picture.", "Something moved."]
    assert "video" in told[1].data["data"]


async def test_the_link_of_a_film_is_valid_for_a_day_and_outlives_the_film(
    hass: HomeAssistant, loaded: MockConfigEntry, tmp_path: Path, hass_client_no_auth: ClientSessionGenerator
) -> None:
    made = tmp_path / "made.mp4"
    await hass.async_add_executor_job(made.write_bytes, b"film")
    link = await links.async_publish_film(hass, made)
    await hass.async_add_executor_job(made.unlink)
    client = await hass_client_no_auth()
    assert await (await client.get(link)).read() == b"film"
    file = Path(hass.config.cache_path("pi_mjpeg", "films")) / link.rsplit("/", 1)[1]
    assert file.stat().st_mode & 0o777 == 0o600
    assert (await client.get(link.replace("mp4", "jpg"))).status == 404
    assert (await client.get(link.replace("films", "pictures"))).status == 404
    later = time() - links.LIFETIME - 1
    os.utime(file, (later, later))
    assert (await client.get(link)).status == 404
    with pytest.raises(HomeAssistantError) as caught:
        await links.async_publish_film(hass, made)
    assert caught.value.translation_key == "not_written"
    assert [path.name for path in file.parent.iterdir()] == [file.name]


async def test_a_link_is_valid_for_a_day_and_found_by_nobody(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    link = await links.async_publish(hass, jpeg(1))
    client = await hass_client_no_auth()
    assert (await client.get(link)).status == 200
    file = Path(hass.config.cache_path("pi_mjpeg", "pictures")) / link.rsplit("/", 1)[1]
    assert file.stat().st_mode & 0o777 == 0o600
    names = ("..%2Fa.jpg", "%00.jpg", f"{'a' * 300}.jpg")
    for wrong in (f"{link}x", link[:-4], f"{link[:-5]}~.jpg", *(link.replace(file.name, name) for name in names)):
        assert (await client.get(wrong)).status in {400, 404}
    later = time() - links.LIFETIME - 1
    os.utime(file, (later, later))
    assert (await client.get(link)).status == 404
    await links.async_publish(hass, jpeg(2))
    assert not file.exists()


async def test_the_pictures_of_links_have_a_limit(
    hass: HomeAssistant, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(links.MAX_BYTES, "jpg", 3 * len(jpeg(1)))
    for number in range(10):
        await links.async_publish(hass, jpeg(number))
        await asyncio.sleep(0.02)
    folder = Path(hass.config.cache_path("pi_mjpeg", "pictures"))
    kept = await hass.async_add_executor_job(lambda: sorted(file.read_bytes() for file in folder.iterdir()))
    assert kept == [jpeg(7), jpeg(8), jpeg(9)]


async def test_a_folder_that_cannot_be_written_is_an_error(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    folder = Path(hass.config.cache_path("pi_mjpeg", "pictures"))

    def block() -> None:
        folder.parent.mkdir(parents=True)
        folder.touch()

    await hass.async_add_executor_job(block)
    with pytest.raises(HomeAssistantError) as caught:
        await links.async_publish(hass, jpeg(1))
    assert caught.value.translation_key == "not_written"


@pytest.mark.parametrize(
    ("minutes", "times"),
    [(1, range(60)), (10, range(0, 60, 10)), ("/10", range(0, 60, 10)), ("10", range(0, 60, 10)), (25, (0, 25, 50))],
)
async def test_a_time_lapse_takes_a_picture_every_so_many_minutes(
    hass: HomeAssistant, loaded: MockConfigEntry, freezer: FrozenDateTimeFactory, minutes: object, times: Iterable[int]
) -> None:
    taken: list[ServiceCall] = []
    hass.services.async_remove("pi_mjpeg", "take_snapshot")
    hass.services.async_register("pi_mjpeg", "take_snapshot", taken.append)
    await hass.config.async_set_time_zone("UTC")
    freezer.move_to("2026-11-22 23:59:30+00:00")
    await automate(hass, "time_lapse.yaml", {"camera": FRONT, "minutes": minutes})
    for _ in range(60):
        freezer.tick(60)
        async_fire_time_changed(hass)
        await hass.async_block_till_done()
    await stop_automation(hass)
    names = [call.data["filename"] for call in taken]
    assert [int(name[-8:-6]) for name in names] == list(times)


async def test_a_time_lapse_is_written_to_the_local_media(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path
) -> None:
    hass.config.media_dirs = {"local": str(tmp_path / "media")}
    hass.config.allowlist_external_dirs = {str(tmp_path / "media")}
    await automate(hass, "time_lapse.yaml", {"camera": FRONT, "minutes": 1})
    async_fire_time_changed(hass, dt_util.utcnow().replace(second=0, microsecond=1000) + timedelta(minutes=1))
    await hass.async_block_till_done(wait_background_tasks=True)
    await stop_automation(hass)
    written = await hass.async_add_executor_job(lambda: list((tmp_path / "media/time-lapse").iterdir()))
    assert [file.suffix for file in written] == [".jpg"]
    assert await hass.async_add_executor_job(written[0].read_bytes) == jpeg(7)


async def test_a_film_of_each_day_is_made_as_documented(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, tmp_path: Path, freezer: FrozenDateTimeFactory
) -> None:
    media = tmp_path / "media"
    hass.config.media_dirs = {"local": str(media)}
    hass.config.allowlist_external_dirs = {str(media)}
    await hass.config.async_set_time_zone("UTC")
    shown = iter(pictures(make_clip(0).body))

    async def still(_: web.Request) -> web.Response:
        return web.Response(body=next(shown), content_type="image/jpeg")

    pi.answers["/cameras/front/snapshot.jpg"] = still
    freezer.move_to("2026-11-22 23:56:30+00:00")
    inputs = {"camera": FRONT, "minutes": 1, "folder": "time-lapse/{{ now().date() }}"}
    documented = (ROOT / "docs/home-assistant.md").read_text(encoding="utf-8")
    (daily,) = [block for block in re.findall(r"```yaml\n(.*?)```", documented, re.DOTALL) if "make_film" in block]
    await automate(hass, "time_lapse.yaml", inputs, parse_yaml(daily))
    for _ in range(9):
        freezer.tick(60)
        async_fire_time_changed(hass)
        await hass.async_block_till_done(wait_background_tasks=True)
    await stop_automation(hass)
    days = {day: len(list((media / "time-lapse" / day).iterdir())) for day in ("2026-11-22", "2026-11-23")}
    assert min(days.values()) > 0
    with av.open(str(media / "time-lapse/2026-11-22.mp4"), "r") as opened:
        assert len(list(opened.decode(video=0))) == days["2026-11-22"]


def pictures(clip: bytes) -> list[bytes]:
    """Return the JPEGs of a clip."""
    return re.findall(rb"\r\n\r\n(\xff\xd8.*?\xff\xd9)\r\n--frame", clip, re.DOTALL)
