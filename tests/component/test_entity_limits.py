"""A server cannot fill the registry: cameras and controls are counted over the life of its entry."""

import copy
from typing import Any

from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    WebSocketGenerator,
)

from custom_components.pi_mjpeg.api.documents import parse_controls, parse_state
from custom_components.pi_mjpeg.api.entity_limits import EntityLimits
from custom_components.pi_mjpeg.const import MAX_CAMERAS, MAX_CONTROLS
from tests.component.conftest import FRONT, issues, poll, state_of
from tests.component.support.fake_pi import NODE, Pi, example


def others(pi: Pi, round_: int) -> list[dict[str, Any]]:
    """Return as many cameras as a document may have besides the front one, with names that were never there before."""
    front = copy.deepcopy(pi.camera())
    return [
        {
            **front,
            "id": f"camera_{round_}_{number}",
            "controls": [{**front["controls"][0], "name": f"control {round_} {index}"} for index in range(4)],
        }
        for number in range(MAX_CAMERAS - 1)
    ]


def registered(hass: HomeAssistant, entry: MockConfigEntry) -> int:
    return len(er.async_entries_for_config_entry(er.async_get(hass), entry.entry_id))


async def test_new_cameras_in_each_answer_end_at_a_limit_and_the_first_ones_work(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    front = pi.camera()
    counts = []
    for round_ in range(4):
        pi.state["cameras"] = [front, *others(pi, round_)]
        await poll(hass)
        counts.append(registered(hass, loaded))
    assert counts[1] == counts[3]
    assert set(loaded.runtime_data.data.cameras) == {"front"}
    assert state_of(hass, FRONT) != "unavailable"
    assert issues(hass, loaded)["too_many_entities"] == {"name": "Garden Pi", "cameras": "16", "controls": "64"}
    pi.state["cameras"] = [front]
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert issues(hass, loaded) == {}


async def test_new_controls_in_each_answer_end_at_a_limit(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    control = pi.camera()["controls"][0]
    for round_ in range(4):
        pi.camera()["controls"] = [
            control, *({**control, "name": f"control {round_} {index}"} for index in range(MAX_CONTROLS - 1))
        ]  # fmt: skip
        await poll(hass)
    numbers = {entity_id for entity_id in hass.states.async_entity_ids("number") if "front_door" in entity_id}
    assert len(numbers - {"number.front_door_motion_sensitivity"}) == MAX_CONTROLS
    assert state_of(hass, "number.front_door_brightness") != "unavailable"
    assert "too_many_entities" in issues(hass, loaded)


def test_the_answer_to_a_change_of_controls_counts_as_well() -> None:
    limits = EntityLimits()
    server = limits.within(parse_state(example("api_state.json").encode()))
    control = {"name": "x", "type": "integer", "minimum": 0, "maximum": 9, "step": 1, "value": 1, "options": []}
    for round_ in range(3):
        names = [{**control, "name": f"{round_} {index}"} for index in range(MAX_CONTROLS)]
        controls = limits.controls_within("front", parse_controls(str({"controls": names}).replace("'", '"').encode()))
        assert len(controls) <= MAX_CONTROLS - round_ * len(server.cameras["front"].controls)
    assert limits.exceeded
    assert limits.controls_within("front", server.cameras["front"].controls) == server.cameras["front"].controls


async def test_the_device_of_a_camera_that_was_left_out_later_can_be_deleted(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_ws_client: WebSocketGenerator
) -> None:
    assert await async_setup_component(hass, "config", {})
    front = pi.camera()
    pi.state["cameras"] = [front, *others(pi, 0)]
    await poll(hass)
    pi.state["cameras"] = [front]
    await poll(hass)
    devices = dr.async_get(hass)
    gone = devices.async_get_device_by_identifier(("pi_mjpeg", f"{NODE}_camera_0_0"), loaded.entry_id)
    assert gone is not None
    client = await hass_ws_client(hass)
    await client.send_json_auto_id(
        {
            "type": "config/device_registry/remove_config_entry",
            "device_id": gone.id,
            "config_entry_id": loaded.entry_id,
        }
    )
    assert (await client.receive_json())["success"] is True
    assert devices.async_get(gone.id) is None
