"""The switch outlives whatever happens to Home Assistant, and acts also while nothing else does."""

from pathlib import Path
from typing import Any

import pytest
from homeassistant.core import Context, HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import area_registry as ar
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from custom_components.pi_mjpeg.privacy import STORAGE_KEY, Wish, Wishes
from tests.component.conftest import FRONT, add_entry, refresh, state_of
from tests.component.privacy.conftest import SWITCH, make_private
from tests.component.support.fake_pi import NODE, Pi


def kept(hass_storage: dict[str, Any]) -> dict[str, Any]:
    """Return what is in the file."""
    data: dict[str, Any] = hass_storage[STORAGE_KEY]["data"]
    return data


async def set_up(hass: HomeAssistant, entry: MockConfigEntry) -> None:
    await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()


async def test_it_is_in_the_file_when_the_action_returns(
    hass: HomeAssistant, loaded: MockConfigEntry, hass_storage: dict[str, Any]
) -> None:
    await make_private(hass)
    assert kept(hass_storage)[NODE]["front"] == {"enabled": False, "heard": True}


async def test_it_is_in_the_file_before_the_pi_has_answered(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_storage: dict[str, Any]
) -> None:
    await pi.stop()
    await make_private(hass)
    assert kept(hass_storage)[NODE]["front"] == {"enabled": False, "heard": False}


@pytest.mark.parametrize("enabled", [True, False])
async def test_what_the_file_says_is_in_force_from_the_start(
    hass: HomeAssistant, entry: MockConfigEntry, pi: Pi, hass_storage: dict[str, Any], *, enabled: bool
) -> None:
    wish = {"enabled": enabled, "heard": False}
    hass_storage[STORAGE_KEY] = {"version": 1, "key": STORAGE_KEY, "data": {NODE: {"front": wish}}}
    pi.turn(enabled=not enabled)
    await set_up(hass, entry)
    assert state_of(hass, SWITCH) == ("off" if enabled else "on")
    assert pi.camera()["enabled"] is enabled


@pytest.mark.parametrize(
    "content",
    ["", "{", "[]", '{"version": 9, "data": {}}', '{"version": 1, "data": {"x": 1}}', '{"version": 1, "data": []}'],
)
async def test_a_file_that_cannot_be_read_turns_every_camera_off(
    hass: HomeAssistant, pi: Pi, tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    hass.config.config_dir = str(tmp_path)
    file = tmp_path / ".storage" / STORAGE_KEY
    await hass.async_add_executor_job(file.parent.mkdir)
    await hass.async_add_executor_job(file.write_text, content)
    wishes = Wishes(hass)
    await wishes.async_load()
    wish = wishes.of(NODE, "front")
    assert wish is not None
    assert not wish.enabled
    assert "All cameras are off, because" in caplog.text


async def damaged(wishes: Wishes) -> None:
    wishes._unknown = Wish(enabled=False, heard=False)  # noqa: SLF001 - as after such a file


async def test_with_such_a_file_the_cameras_stay_off_until_a_person_says_otherwise(
    hass: HomeAssistant, entry: MockConfigEntry, pi: Pi, hass_storage: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Wishes, "async_load", damaged)
    await set_up(hass, entry)
    assert (state_of(hass, SWITCH), pi.camera()["enabled"]) == ("on", False)
    await make_private(hass, on=False)
    await refresh(entry)
    assert (state_of(hass, SWITCH), state_of(hass, "switch.shed_privacy")) == ("off", "on")
    assert kept(hass_storage)[NODE]["front"] == {"enabled": True, "heard": True}


async def test_it_outlives_a_reload(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    await make_private(hass)
    assert await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, SWITCH) == "on"


async def test_a_server_that_is_removed_and_added_again_says_itself_what_is_off(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_storage: dict[str, Any]
) -> None:
    await make_private(hass)
    await hass.config_entries.async_remove(loaded.entry_id)
    assert NODE not in kept(hass_storage)
    await set_up(hass, add_entry(hass, url=pi.url))
    assert (state_of(hass, SWITCH), state_of(hass, "switch.shed_privacy")) == ("on", "off")


CALLS = [
    ("camera", "turn_off", {"entity_id": FRONT}, "on"),
    ("camera", "turn_off", {"entity_id": "all"}, "on"),
    ("camera", "turn_off", {"area_id": "hall"}, "on"),
    ("homeassistant", "turn_off", {"entity_id": FRONT}, "on"),
    ("switch", "turn_on", {"entity_id": SWITCH}, "on"),
    ("switch", "toggle", {"entity_id": [SWITCH]}, "on"),
]


@pytest.fixture
def in_the_hall(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    """The camera is in an area."""
    area = ar.async_get(hass).async_create("Hall")
    registry = er.async_get(hass)
    device_id = registry.entities[FRONT].device_id
    assert device_id is not None
    dr.async_get(hass).async_update_device(device_id, area_id=area.id)


@pytest.mark.usefixtures("in_the_hall")
@pytest.mark.parametrize(("domain", "action", "target", "state"), CALLS)
async def test_actions_work_on_a_camera_that_is_unavailable(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, domain: str, action: str, target: dict[str, Any], state: str
) -> None:
    await pi.stop()
    await refresh(loaded)
    assert state_of(hass, FRONT) == "unavailable"
    await hass.services.async_call(domain, action, target, blocking=True)
    await hass.async_block_till_done()
    assert (state_of(hass, SWITCH), state_of(hass, FRONT)) == (state, "idle")
    await pi.start(pi.port)
    await refresh(loaded)
    assert pi.camera()["enabled"] is False
    await hass.services.async_call("camera", "turn_on", {"entity_id": FRONT}, blocking=True)
    assert pi.camera()["enabled"] is True


@pytest.mark.usefixtures("in_the_hall")
@pytest.mark.parametrize(("domain", "action", "target", "state"), CALLS)
async def test_actions_work_while_the_entry_is_not_loaded(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, domain: str, action: str, target: dict[str, Any], state: str
) -> None:
    await pi.stop()
    assert await hass.config_entries.async_unload(loaded.entry_id)
    await hass.services.async_call(domain, action, target, blocking=True)
    await pi.start(pi.port)
    pi.requests.clear()
    await set_up(hass, loaded)
    assert (state_of(hass, SWITCH), pi.camera()["enabled"]) == (state, False)


async def test_an_action_for_something_else_turns_nothing(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    await pi.stop()
    await refresh(loaded)
    other = er.async_get(hass).async_get_or_create("camera", "another", f"{NODE}_front_camera")
    for domain, entity_id in (
        ("camera", "camera.shed"),
        ("camera", "camera.nobody"),
        ("camera", other.entity_id),
        ("switch", "switch.nobody"),
    ):
        await hass.services.async_call(domain, "turn_off", {"entity_id": entity_id}, blocking=True)
    assert state_of(hass, SWITCH) == "off"


async def test_who_may_not_control_the_camera_cannot_turn_it(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    await pi.stop()
    await refresh(loaded)
    await hass.auth.async_create_user("Owner")
    reader = await hass.auth.async_create_user("Reader", group_ids=["system-read-only"])
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call(
            "camera", "turn_off", {"entity_id": FRONT}, blocking=True, context=Context(user_id=reader.id)
        )
    await hass.async_block_till_done()
    assert state_of(hass, SWITCH) == "off"
