"""What a caller writes into an action is a text: it is rendered nowhere, and an answer says no more than it did."""

import json
import os
from pathlib import Path

import pytest
from homeassistant.core import Event, HomeAssistant
from homeassistant.setup import async_setup_component
from homeassistant.util.yaml import load_yaml_dict, parse_yaml
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
    async_mock_service,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from tests.component.conftest import FRONT, add_entry, state_of
from tests.component.support.fake_pi import Pi, jpeg

ROOT = Path(__file__).parents[3]
SECRET = "4c9e1f" * 8
ACTION = "/api/services/pi_mjpeg/take_snapshot?return_response"

ATTACKS = (
    "{{ entity_id.coordinator.config_entry.data.token }}",
    "{{ entity_id.hass.config_entries.async_entries('mqtt')[0].data }}",
    "{{ entity_id.hass.bus.async_fire('attacked') }}",
    "{{ entity_id.access_tokens }}",
    "{{ entity_id.hass.states.async_set('light.attacked', 'on') }}",
    "{% set x = entity_id.hass %}{{ x.config.config_dir }}",
    "{# #}{{ states }}",
    "{entity_id.coordinator.config_entry.data}",
    "{entity_id.__class__.__init__.__globals__}",
    "{0.hass}",
    "%(entity_id)s",
    "$entity_id",
    "${entity_id}",
)


@pytest.fixture
async def attacked(hass: HomeAssistant, pi: Pi, tmp_path: Path) -> MockConfigEntry:
    """A set-up entry with a token, and a folder that Home Assistant may write to."""
    hass.config.allowlist_external_dirs = {str(tmp_path)}
    hass.config.media_dirs = {"local": str(tmp_path)}
    pi.token = SECRET
    entry = add_entry(hass, url=pi.url, token=SECRET)
    assert await async_setup_component(hass, "api", {})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    return entry


@pytest.fixture
async def household(hass: HomeAssistant) -> str:
    """The access token of a user who is no administrator."""
    await hass.auth.async_create_user("Owner")
    user = await hass.auth.async_create_user("Child", group_ids=["system-users"])
    refresh = await hass.auth.async_create_refresh_token(user, "https://example.org/")
    return hass.auth.async_create_access_token(refresh)


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("place", ["{folder}/{attack}.jpg", "/forbidden/{attack}.jpg", "{attack}"])
async def test_no_template_is_rendered_for_a_user_of_the_rest_api(
    hass: HomeAssistant,
    attacked: MockConfigEntry,
    household: str,
    hass_client: ClientSessionGenerator,
    tmp_path: Path,
    attack: str,
    place: str,
) -> None:
    fired: list[Event] = []
    hass.bus.async_listen("attacked", fired.append)
    client = await hass_client(household)
    filename = place.replace("{folder}", str(tmp_path)).replace("{attack}", attack)
    for keep in (True, False):
        data = {"entity_id": FRONT, "keep": keep, "filename": filename}
        response = await client.post(ACTION, json=data)
        text = await response.text()
        assert SECRET not in text
        assert str(hass.config.config_dir) not in text.replace(str(tmp_path), "")
        assert attacked.runtime_data.config_entry.entry_id not in text
        if response.status == 200:
            path = json.loads(text)["service_response"][FRONT]["path"]
            assert path == str(tmp_path / filename.replace("{entity_id}", FRONT))
    assert fired == []
    assert hass.states.get("light.attacked") is None


async def test_nothing_is_rendered_a_second_time_in_an_automation(
    hass: HomeAssistant, attacked: MockConfigEntry, tmp_path: Path
) -> None:
    """What came in with the event, such as the body of a webhook, is what an automation makes a file name of."""
    steps = {
        "action": "pi_mjpeg.take_snapshot",
        "target": {"entity_id": FRONT},
        "data": {"filename": f"{tmp_path}/{{{{ trigger.event.data.name }}}}.jpg"},
    }
    automation = {"triggers": {"trigger": "event", "event_type": "came"}, "actions": steps}
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    for name in ("{{ 6 * 7 }}", "{entity_id}", "plain"):
        hass.bus.async_fire("came", {"name": name})
        await hass.async_block_till_done()
    assert sorted(os.listdir(tmp_path)) == ["camera.front_door.jpg", "plain.jpg"]  # noqa: PTH208 - the names are wanted


@pytest.mark.parametrize(
    "name", ["", "a\nb.jpg", "a\0b.jpg", "\ud800.jpg", "x" * 5000, "\u202e.jpg", "/media/../etc/x"]
)
async def test_what_is_no_file_name_is_refused_and_not_logged_as_a_failure(
    hass: HomeAssistant,
    attacked: MockConfigEntry,
    hass_client: ClientSessionGenerator,
    name: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    response = await (await hass_client()).post(ACTION, json={"entity_id": FRONT, "filename": name})
    assert response.status in {400, 500}
    assert "Traceback" not in await response.text()


def documented() -> tuple[str, list[object]]:
    """Return the example of the action's description, and the steps with our actions that the documentation shows."""
    described = load_yaml_dict(str(ROOT / "custom_components/pi_mjpeg/services.yaml"))
    page = (ROOT / "docs/home-assistant.md").read_text(encoding="utf-8")
    blocks = [block.partition("```")[0] for block in page.split("```yaml\n")[1:]]
    steps: list[object] = []
    for block in map(parse_yaml, blocks):
        if isinstance(block, dict) and block["actions"][0].get("action", "").startswith("pi_mjpeg."):
            steps += block["actions"]
    return str(described["take_snapshot"]["fields"]["filename"]["example"]), steps


def below(folder: Path, value: object) -> object:
    """Return a value of an example with the media folder of this test."""
    return json.loads(json.dumps(value).replace("/media/", f"{folder}/"))


async def test_the_example_of_the_description_works_everywhere(
    hass: HomeAssistant, attacked: MockConfigEntry, hass_client: ClientSessionGenerator, tmp_path: Path
) -> None:
    example = str(below(tmp_path, documented()[0]))
    expected = tmp_path / "snapshots" / "camera.front_door.jpg"
    call = {"action": "pi_mjpeg.take_snapshot", "target": {"entity_id": FRONT}, "data": {"filename": example}}
    automation = {"id": "x", "triggers": {"trigger": "event", "event_type": "came"}, "actions": [call]}
    assert await async_setup_component(hass, "automation", {"automation": automation})
    assert await async_setup_component(hass, "script", {"script": {"x": {"sequence": [call]}}})
    await hass.async_block_till_done()

    async def rest() -> None:
        response = await (await hass_client()).post(ACTION, json={"entity_id": FRONT, "filename": example})
        assert response.status == 200

    async def script() -> None:
        await hass.services.async_call("script", "x", {}, blocking=True)

    async def automate() -> None:
        hass.bus.async_fire("came")
        await hass.async_block_till_done()

    for way in (rest, script, automate):
        await way()
        assert expected.read_bytes() == jpeg(8), way
        expected.unlink()


async def test_the_documented_steps_work_in_an_automation(
    hass: HomeAssistant, attacked: MockConfigEntry, tmp_path: Path
) -> None:
    steps = below(tmp_path, documented()[1])
    told = async_mock_service(hass, "notify", "mobile_app_phone")
    automation = {"triggers": {"trigger": "event", "event_type": "came"}, "actions": steps}
    assert await async_setup_component(hass, "automation", {"automation": automation})
    await hass.async_block_till_done()
    hass.bus.async_fire("came")
    await hass.async_block_till_done()
    assert len(list((tmp_path / "snapshots").glob("*.jpg"))) == 1
    assert len(list((tmp_path / "clips").glob("*.mp4"))) == 1
    taken, recorded = told
    assert "2026-11-22T10:00:00+00:00" in taken.data["message"]
    assert recorded.data["message"].endswith("s before and after")
    assert recorded.data["data"]["video"].startswith("/api/pi_mjpeg/films/")
    assert state_of(hass, "image.front_door_last_snapshot") == "2026-11-22T10:00:00+00:00"
