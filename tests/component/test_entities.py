"""Sensors show the telemetry of the server, buttons and controls act on its cameras."""

import json

import pytest
from aiohttp import web
from homeassistant.const import EntityCategory
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import poll, state_of
from tests.component.support.fake_pi import NODE, Pi, example

DISABLED = {"frame_rate", "drops", "restarts", "started_at", "camera_small"}

CONTROLS = [
    *json.loads(example("api_state.json"))["cameras"][0]["controls"],
    {"name": "ExposureTime", "type": "integer", "minimum": 100, "maximum": 100000, "value": 5000},
    {"name": "vertical_flip", "type": "boolean", "minimum": None, "maximum": None, "value": False},
    {
        "name": "AwbMode",
        "type": "menu",
        "minimum": None,
        "maximum": None,
        "value": "Auto",
        "options": ["Auto", "Cloudy"],
    },
]


@pytest.fixture
def pi_with_controls(pi: Pi) -> Pi:
    """A Pi whose first camera has a control of each type."""
    pi.camera()["controls"] = [{"step": None, "default": 0, "options": [], **control} for control in CONTROLS]
    return pi


async def test_telemetry_is_shown(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    shown = {
        "sensor.garden_pi_temperature": "48.3",
        "binary_sensor.garden_pi_connectivity": "on",
        "sensor.front_door_state": "live",
        "sensor.front_door_viewers": "2",
        "sensor.front_door_last_error": "unknown",
        "binary_sensor.front_door_problem": "off",
        "sensor.shed_state": "failing",
        "sensor.shed_last_error": "/dev/video0 is not there: unplugged?",
        "binary_sensor.shed_problem": "on",
    }
    assert {entity_id: state_of(hass, entity_id) for entity_id in shown} == shown


async def test_sensors_that_change_often_and_small_cameras_are_disabled_by_default(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    registry = er.async_get(hass)
    entities = er.async_entries_for_config_entry(registry, loaded.entry_id)
    disabled = {entity.unique_id for entity in entities if entity.disabled_by}
    cameras = {f"{NODE}_{camera}_{key}" for camera in ("front", "shed") for key in DISABLED - {"started_at"}}
    assert disabled == cameras | {f"{NODE}_started_at"}
    for entity in entities:
        registry.async_update_entity(entity.entity_id, disabled_by=None)
    await hass.config_entries.async_reload(loaded.entry_id)
    await hass.async_block_till_done()
    assert state_of(hass, "sensor.front_door_frame_rate") == "29.9"
    assert state_of(hass, "sensor.front_door_dropped_pictures") == "3"
    assert state_of(hass, "sensor.shed_restarts") == "4"
    assert state_of(hass, "sensor.garden_pi_started") == "2026-11-22T09:00:00+00:00"


async def test_only_the_pictures_and_the_snapshot_are_more_than_details(
    hass: HomeAssistant, pi_with_controls: Pi, loaded: MockConfigEntry
) -> None:
    entities = er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id)
    plain = {entity.unique_id.removeprefix(f"{NODE}_front_") for entity in entities if entity.entity_category is None}
    assert {key for key in plain if not key.startswith(NODE)} == {
        "camera",
        "camera_small",
        "take_snapshot",
        "last_snapshot",
        "clip",
        "last_clip",
        "privacy",
        "motion",
    }
    config = {entity.entity_id for entity in entities if entity.entity_category is EntityCategory.CONFIG}
    assert config == {
        "button.front_door_restart",
        "button.shed_restart",
        "number.front_door_brightness",
        "number.front_door_exposure_time",
        *(f"number.{camera}_motion_sensitivity" for camera in ("front_door", "shed")),
        *(f"switch.{camera}_motion_detection" for camera in ("front_door", "shed")),
        "switch.front_door_vertical_flip",
        "select.front_door_awb_mode",
    }


async def test_a_pi_that_reports_throttling_gets_a_sensor_for_it(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    assert hass.states.get("binary_sensor.garden_pi_throttled") is None
    pi.state["server"]["throttled"] = []
    await poll(hass)
    assert state_of(hass, "binary_sensor.garden_pi_throttled") == "off"
    pi.state["server"]["throttled"] = ["under_voltage"]
    await poll(hass)
    assert state_of(hass, "binary_sensor.garden_pi_throttled") == "on"
    pi.state["server"]["throttled"] = None
    await poll(hass)
    assert state_of(hass, "binary_sensor.garden_pi_throttled") == "unknown"


async def test_without_the_server_only_connectivity_and_privacy_are_known(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    await pi.stop()
    await poll(hass)
    states = {entity.entity_id: entity.state for entity in hass.states.async_all() if entity.domain != "zone"}
    assert states.pop("binary_sensor.garden_pi_connectivity") == "off"
    assert [states.pop(f"switch.{camera}_privacy") for camera in ("front_door", "shed")] == ["off", "off"]
    assert set(states.values()) == {"unavailable"}


FOCUS_MODE = {
    "name": "AfMode",
    "type": "menu",
    "default": "Manual",
    "value": "Continuous",
    "minimum": None,
    "maximum": None,
    "step": None,
    "options": ["Manual", "Auto", "Continuous"],
}


async def test_a_camera_with_a_lens_gets_a_button_that_focuses_it(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    button = {"entity_id": "button.front_door_focus_now"}
    assert hass.states.get(button["entity_id"]) is None
    pi.state["cameras"][0]["controls"].append(FOCUS_MODE)
    pi.state["cameras"][1]["controls"].append({**FOCUS_MODE, "options": ["Manual"], "value": "Manual"})
    await poll(hass)
    assert state_of(hass, button["entity_id"]) == "unknown"
    assert hass.states.get("button.shed_focus_now") is None
    pi.focusing.clear()
    pressed = hass.async_create_task(hass.services.async_call("button", "press", button, blocking=True))
    # Nothing waits for it: neither the other buttons nor the state.
    await hass.services.async_call("button", "press", {"entity_id": "button.front_door_take_snapshot"}, blocking=True)
    assert not pressed.done()
    pi.focusing.set()
    await pressed
    assert "POST /api/cameras/front/focus" in pi.requests
    await pi.stop()
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("button", "press", button, blocking=True)
    assert caught.value.translation_key == "focus_failed"


async def test_a_camera_is_restarted_also_when_it_fails(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await hass.services.async_call("button", "press", {"entity_id": "button.shed_restart"}, blocking=True)
    assert "POST /api/cameras/shed/restart" in pi.requests
    await pi.stop()
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("button", "press", {"entity_id": "button.shed_restart"}, blocking=True)
    assert caught.value.translation_key == "restart_failed"


@pytest.mark.parametrize(
    ("action", "entity_id", "data", "sent", "state"),
    [
        ("number.set_value", "number.front_door_brightness", {"value": -0.5}, {"Brightness": -0.5}, "-0.5"),
        ("number.set_value", "number.front_door_exposure_time", {"value": 700}, {"ExposureTime": 700}, "700.0"),
        ("select.select_option", "select.front_door_awb_mode", {"option": "Cloudy"}, {"AwbMode": "Cloudy"}, "Cloudy"),
        ("switch.turn_on", "switch.front_door_vertical_flip", {}, {"vertical_flip": True}, "on"),
        ("switch.turn_off", "switch.front_door_vertical_flip", {}, {"vertical_flip": False}, "off"),
    ],
)
async def test_a_control_is_set_and_shows_the_value_of_the_camera(
    hass: HomeAssistant,
    pi_with_controls: Pi,
    loaded: MockConfigEntry,
    action: str,
    entity_id: str,
    data: dict[str, object],
    sent: dict[str, object],
    state: str,
) -> None:
    domain, name = action.split(".")
    before = len(pi_with_controls.requests)
    await hass.services.async_call(domain, name, {"entity_id": entity_id, **data}, blocking=True)
    assert pi_with_controls.requests[before:] == ["PATCH /api/cameras/front/controls"]
    values = {control["name"]: control["value"] for control in pi_with_controls.camera()["controls"]}
    assert {key: values[key] for key in sent} == sent
    assert [type(values[key]) for key in sent] == [type(value) for value in sent.values()]
    assert state_of(hass, entity_id) == state


async def test_a_number_has_its_drivers_range(
    hass: HomeAssistant, pi_with_controls: Pi, loaded: MockConfigEntry
) -> None:
    brightness, exposure = (hass.states.get(f"number.front_door_{key}") for key in ("brightness", "exposure_time"))
    assert brightness is not None
    assert exposure is not None
    keys = ("min", "max", "step", "mode")
    assert [brightness.attributes[key] for key in keys] == [-1, 1, 0.01, "slider"]
    assert [exposure.attributes[key] for key in keys] == [100, 100000, 1, "box"]


async def test_the_reason_why_a_control_was_not_set_is_shown(
    hass: HomeAssistant, pi_with_controls: Pi, loaded: MockConfigEntry
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        error = {"code": "bad_control", "message": "Brightness has to be a number from -1 to 0"}
        return web.json_response({"error": error}, status=422)

    pi_with_controls.answers["/api/cameras/front/controls"] = refuse
    data = {"entity_id": "number.front_door_brightness", "value": 1}
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("number", "set_value", data, blocking=True)
    assert caught.value.translation_placeholders == {
        "camera": "Front door",
        "reason": "Brightness has to be a number from -1 to 0",
    }


async def test_an_invalid_answer_to_a_control_is_an_error(
    hass: HomeAssistant, pi_with_controls: Pi, loaded: MockConfigEntry
) -> None:
    async def babble(_: web.Request) -> web.StreamResponse:
        return web.json_response({"controls": "all"})

    pi_with_controls.answers["/api/cameras/front/controls"] = babble
    data = {"entity_id": "switch.front_door_vertical_flip"}
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("switch", "turn_on", data, blocking=True)
    assert "cannot be read" in str((caught.value.translation_placeholders or {})["reason"])


async def test_controls_that_are_known_later_are_added_and_unavailable_while_they_are_gone(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    assert hass.states.get("switch.front_door_vertical_flip") is None
    pi.camera()["controls"] = [{"step": None, "default": 0, "options": [], **control} for control in CONTROLS]
    await poll(hass)
    assert state_of(hass, "switch.front_door_vertical_flip") == "off"
    pi.camera()["controls"] = []
    await poll(hass)
    assert state_of(hass, "switch.front_door_vertical_flip") == "unavailable"


async def test_a_token_that_is_refused_in_an_action_starts_to_ask_for_another(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    pi.token = "new"  # noqa: S105 - a test's
    with pytest.raises(HomeAssistantError):
        await hass.services.async_call("button", "press", {"entity_id": "button.shed_restart"}, blocking=True)
    await hass.async_block_till_done()
    assert [flow["step_id"] for flow in hass.config_entries.flow.async_progress()] == ["reauth_confirm"]
