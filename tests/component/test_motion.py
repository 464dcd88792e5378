"""Motion in a real Home Assistant: by events, by MQTT, by poll; and its switches."""

import asyncio
import json
import time
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from aiohttp import web
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.const import STATE_OFF, STATE_ON, STATE_UNAVAILABLE, STATE_UNKNOWN
from homeassistant.core import HomeAssistant
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import entity_registry as er
from pytest_homeassistant_custom_component.common import MockConfigEntry  # type: ignore[import-untyped]  # likewise

from custom_components.pi_mjpeg import coordinator
from tests.component.conftest import FRONT, until
from tests.component.support.fake_pi import NODE, Pi

MOTION = "binary_sensor.front_door_motion"
DETECTION = "switch.front_door_motion_detection"
SENSITIVITY = "number.front_door_motion_sensitivity"
QUIET = {"enabled": True, "motion": False}


@pytest.fixture
def pi(pi: Pi) -> Pi:
    """A Pi whose front camera is watched for motion."""
    pi.has_events = True
    pi.camera()["motion"].update(QUIET)
    return pi


def state(hass: HomeAssistant, entity_id: str = MOTION) -> str | None:
    found = hass.states.get(entity_id)
    return found.state if found else None


async def listening(hass: HomeAssistant, pi: Pi, entry: MockConfigEntry) -> None:
    """Wait until Home Assistant hears the events."""
    await until(lambda: bool(pi.listening == 1 and entry.runtime_data.has_events))
    await hass.async_block_till_done()


async def test_motion_is_shown_within_half_a_second(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await listening(hass, pi, loaded)
    assert state(hass) == STATE_OFF
    assert hass.states.get(MOTION).attributes["device_class"] == "motion"  # type: ignore[union-attr]  # it is there

    def shows(wanted: str) -> bool:
        return state(hass) == wanted

    took = []
    for number in range(20):
        moves = number % 2 == 0
        began = time.monotonic()
        pi.tell_motion(motion=moves)
        await until(partial(shows, STATE_ON if moves else STATE_OFF))
        took.append(time.monotonic() - began)
        await asyncio.sleep(0.05)
    assert sorted(took)[18] < 0.5


async def test_nothing_is_polled_while_the_events_are_there_and_again_when_they_end(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(coordinator, "POLL_INTERVAL", timedelta(seconds=1))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await listening(hass, pi, entry)
    pi.requests.clear()
    await asyncio.sleep(2.2)
    # The poll that was due before the events came.
    assert pi.requests.count("GET /api/state") <= 1
    pi.has_events = False
    pi.cut()
    await until(lambda: not entry.runtime_data.has_events)
    pi.requests.clear()
    await until(lambda: pi.requests.count("GET /api/state") > 1)


async def test_a_lost_connection_is_opened_again_and_what_changed_meanwhile_is_known(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    await listening(hass, pi, loaded)
    pi.camera()["motion"]["motion"] = True
    pi.cut()
    await until(lambda: state(hass) == STATE_ON)
    await listening(hass, pi, loaded)


async def test_a_pi_that_is_gone_is_unavailable_and_back_with_its_events(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    await listening(hass, pi, loaded)
    port = pi.port
    await pi.stop()
    await until(lambda: state(hass) == STATE_UNAVAILABLE)
    await pi.start(port)
    await until(lambda: state(hass) == STATE_OFF)
    await listening(hass, pi, loaded)


async def test_privacy_makes_it_unavailable(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await listening(hass, pi, loaded)
    pi.tell_motion(motion=True)
    await until(lambda: state(hass) == STATE_ON)
    await hass.services.async_call("switch", "turn_on", {"entity_id": "switch.front_door_privacy"}, blocking=True)
    assert [state(hass, each) for each in (MOTION, DETECTION, SENSITIVITY)] == [STATE_UNAVAILABLE] * 3
    pi.tell_motion(motion=True)
    await asyncio.sleep(0.3)
    assert state(hass) == STATE_UNAVAILABLE


async def test_it_is_unknown_while_nobody_looks(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await listening(hass, pi, loaded)
    pi.tell_motion(enabled=False)
    await until(lambda: state(hass) == STATE_UNKNOWN)
    assert state(hass, DETECTION) == STATE_OFF
    pi.tell_motion(enabled=True, error="nothing can be detected: no thread")
    await until(lambda: state(hass, DETECTION) == STATE_ON)
    assert state(hass) == STATE_UNKNOWN


async def test_the_switch_the_number_and_the_camera_set_it(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    motion = pi.camera()["motion"]

    async def call(domain: str, action: str, entity_id: str, **data: Any) -> None:  # noqa: ANN401
        await hass.services.async_call(domain, action, {"entity_id": entity_id, **data}, blocking=True)

    def camera_says() -> bool | None:
        found = hass.states.get(FRONT)
        return found.attributes.get("motion_detection") if found else None

    assert camera_says() is True
    await call("switch", "turn_off", DETECTION)
    assert (motion["enabled"], state(hass, DETECTION), camera_says()) == (False, STATE_OFF, None)
    await call("switch", "turn_on", DETECTION)
    assert (motion["enabled"], state(hass, DETECTION)) == (True, STATE_ON)
    await call("camera", "disable_motion_detection", FRONT)
    assert (motion["enabled"], state(hass, DETECTION)) == (False, STATE_OFF)
    await call("camera", "enable_motion_detection", FRONT)
    assert (motion["enabled"], camera_says()) == (True, True)
    await call("number", "set_value", SENSITIVITY, value=33)
    assert (motion["sensitivity"], state(hass, SENSITIVITY)) == (33, "33")


async def test_a_refusal_is_an_error_with_the_servers_words(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    pi.answers["/api/cameras/front"] = _refuse
    with pytest.raises(HomeAssistantError, match="the disk is full") as raised:
        await hass.services.async_call("switch", "turn_off", {"entity_id": DETECTION}, blocking=True)
    assert raised.value.translation_key == "motion_failed"


async def _refuse(_: web.Request) -> web.StreamResponse:
    error = {"error": {"code": "insufficient_storage", "message": "the disk is full"}}
    return web.json_response(error, status=507)


async def test_a_server_that_cannot_detect_motion_has_none_of_it(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    pi.has_events = False
    for camera in pi.state["cameras"]:
        del camera["motion"]
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    ids = er.async_get(hass).entities
    assert not [entity_id for entity_id in ids if "motion" in entity_id]
    assert hass.states.get(FRONT) is not None


async def test_without_events_a_poll_finds_motion_and_mqtt_tells_it_at_once(
    hass: HomeAssistant, pi: Pi, with_mqtt: None, pi_mqtt: MQTTClient, loaded: MockConfigEntry
) -> None:
    await listening(hass, pi, loaded)
    pi.has_events = False
    pi.cut()
    await until(lambda: not loaded.runtime_data.has_events)
    await hass.async_block_till_done()
    document = {**pi.camera()["motion"], "motion": True}
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/front/motion", json.dumps(document).encode(), qos=1, retain=True)
    await until(lambda: state(hass) == STATE_ON)
    await loaded.runtime_data.async_refresh()
    await until(lambda: state(hass) == STATE_OFF)


async def test_mqtt_does_not_contradict_the_events(
    hass: HomeAssistant, pi: Pi, with_mqtt: None, pi_mqtt: MQTTClient, loaded: MockConfigEntry
) -> None:
    await listening(hass, pi, loaded)
    document = {**pi.camera()["motion"], "motion": True}
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/front/motion", json.dumps(document).encode(), qos=1, retain=True)
    await asyncio.sleep(0.5)
    assert state(hass) == STATE_OFF


@pytest.mark.parametrize(
    "hostile",
    [
        b"event: motion\ndata: {}\n\n",
        b"event: motion\ndata: [\n\n",
        b"event: motion\ndata: " + b"[" * 60_000 + b"\n\n",
        b'event: motion\ndata: {"camera": "front", "schema": 2}\n\n',
        b'event: motion\ndata: {"camera": "front", "schema": 1, "enabled": true, "motion": 1, "sensitivity": 5}\n\n',
        b'event: motion\ndata: {"camera": "attic", "schema": 1, "enabled": true, "motion": true, "sensitivity": 5}\n\n',
        b'event: controls\ndata: {"camera": "front", "schema": 1, "controls": {}}\n\n',
        b'event: snapshot\ndata: {"camera": "shed", "schema": 1, "id": "x"}\n\n',
        b'event: state\ndata: {"camera": null, "schema": 1}\n\n',
        b'event: of_tomorrow\ndata: {"camera": "front"}\n\n',
        b"\xff\xfe\x00\r\r\n\n\nevent\ndata\n\n",
    ],
)
async def test_events_that_are_not_in_the_contract_change_nothing(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hostile: bytes
) -> None:
    await listening(hass, pi, loaded)
    pi.tell_raw(hostile)
    pi.tell_motion(motion=True)
    await until(lambda: state(hass) == STATE_ON)
    assert pi.listening == 1


@pytest.mark.parametrize(
    "flood",
    [b"x" * 100_000, b"event: motion\ndata: {}\n\n" * 5000, b":\n" * 200_000],
    ids=["long line", "many events", "many comments"],
)
async def test_a_flood_ends_the_connection_and_holds_up_nothing(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, flood: bytes
) -> None:
    await listening(hass, pi, loaded)
    pi.tell_raw(flood)
    slowest = 0.0
    async with asyncio.timeout(10):
        while loaded.runtime_data.has_events:
            began = time.monotonic()
            await asyncio.sleep(0.01)
            slowest = max(slowest, time.monotonic() - began)
    assert slowest < 0.5
    await loaded.runtime_data.async_refresh()
    await until(lambda: state(hass) == STATE_OFF)


async def test_unloading_does_not_wait_for_the_events(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await listening(hass, pi, loaded)
    pi.requests.clear()
    async with asyncio.timeout(1):
        assert await hass.config_entries.async_unload(loaded.entry_id)
    await until(lambda: pi.listening == 0)
    await asyncio.sleep(0.1)
    assert pi.requests == []


async def test_another_token_is_asked_for_once(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    await listening(hass, pi, loaded)
    pi.token = "another"  # noqa: S105 - of a test
    pi.cut()
    await until(hass.config_entries.flow.async_progress)
    assert [flow["context"]["source"] for flow in hass.config_entries.flow.async_progress()] == ["reauth"]


async def test_the_camera_streams_only_while_somebody_watches(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    pi.camera().update(state="live", viewers=[])
    assert await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    assert state(hass, FRONT) == "idle"
