"""The blueprints work in a real Home Assistant."""

import asyncio
import json
import os
from collections.abc import Iterable, Mapping
from datetime import timedelta
from pathlib import Path
from time import time

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
from homeassistant.util.yaml import load_yaml_dict
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_fire_time_changed,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.actions import links
from tests.component.conftest import FRONT, poll
from tests.component.support.fake_pi import Pi, example, jpeg

FOLDER = Path(__file__).parents[2] / "blueprints/automation/pi_mjpeg"


async def automate(hass: HomeAssistant, name: str, inputs: Mapping[str, object]) -> None:
    """Make an automation of a blueprint."""
    target = Path(hass.config.path("blueprints/automation/pi_mjpeg"))

    def install() -> None:
        target.mkdir(parents=True, exist_ok=True)
        (target / name).write_text((FOLDER / name).read_text(encoding="utf-8"), encoding="utf-8")

    await hass.async_add_executor_job(install)
    config = {"automation": {"use_blueprint": {"path": f"pi_mjpeg/{name}", "input": inputs}}}
    assert await async_setup_component(hass, "automation", config)
    await hass.async_block_till_done()
    assert len(hass.states.async_entity_ids("automation")) == 1


async def stop_automation(hass: HomeAssistant) -> None:
    """Turn the automation off, which ends its timers."""
    entity_ids = hass.states.async_entity_ids("automation")
    await hass.services.async_call("automation", "turn_off", {"entity_id": entity_ids}, blocking=True)


@pytest.fixture(autouse=True)
def _own_folder(hass: HomeAssistant, tmp_path: Path) -> None:
    hass.config.config_dir = str(tmp_path)


def test_they_are_blueprints() -> None:
    files = list(FOLDER.glob("*.yaml"))
    assert len(files) == 2
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


async def notify_on_event(hass: HomeAssistant, **inputs: object) -> None:
    trigger = [{"trigger": "event", "event_type": "moved"}]
    await automate(hass, "snapshot_and_notify.yaml", {"trigger": trigger, "camera": FRONT, **inputs})


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


async def test_the_cameras_own_motion_takes_a_snapshot_only_if_the_conditions_hold(
    hass: HomeAssistant, loaded: MockConfigEntry, phone: str
) -> None:
    told: list[ServiceCall] = async_mock_service(hass, "notify", "mobile_app_my_phone")
    nobody_home = {"condition": "numeric_state", "entity_id": "zone.home", "below": 1}
    motion = "binary_sensor.front_door_motion"
    inputs = {"motion": [motion], "camera": FRONT, "phones": [phone], "only_if": [nobody_home]}
    await automate(hass, "snapshot_and_notify.yaml", inputs)
    for persons, before, snapshots in (("1", "off", 0), ("0", "off", 1), ("0", "unavailable", 1)):
        hass.states.async_set("zone.home", persons)
        hass.states.async_set(motion, before)
        await hass.async_block_till_done()
        hass.states.async_set(motion, "on")
        await hass.async_block_till_done()
        assert len(told) == snapshots


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


async def test_a_link_is_valid_for_a_day_and_found_by_nobody(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    link = await links.async_publish(hass, jpeg(1))
    client = await hass_client_no_auth()
    assert (await client.get(link)).status == 200
    file = Path(hass.config.cache_path("pi_mjpeg", "pictures")) / link.rsplit("/", 1)[1]
    assert file.stat().st_mode & 0o777 == 0o600
    for wrong in (f"{link}x", link.replace(".jpg", ""), f"{link[:-5]}~.jpg", link.replace(file.name, "..%2Fa.jpg")):
        assert (await client.get(wrong)).status in {400, 404}
    later = time() - links.LIFETIME - 1
    os.utime(file, (later, later))
    assert (await client.get(link)).status == 404
    await links.async_publish(hass, jpeg(2))
    assert not file.exists()


async def test_the_pictures_of_links_have_a_limit(
    hass: HomeAssistant, loaded: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(links, "MAX_BYTES", 3 * len(jpeg(1)))
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
