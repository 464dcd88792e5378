"""Two machines with one id, and a machine with another id at a known address, are reported."""

import json
from typing import Any

from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from tests.component.conftest import FRONT, issues, poll, state_of, until
from tests.component.support.fake_pi import NODE, Pi, example


def telemetry(started_at: str) -> bytes:
    document: dict[str, Any] = json.loads(example("server_state.json"))
    return json.dumps(document | {"started_at": started_at}).encode()


async def say(pi_mqtt: MQTTClient, entry: MockConfigEntry, started_at: str) -> None:
    """Publish a state with this start time, and wait until Home Assistant knows it."""
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/state", telemetry(started_at), qos=1)
    await until(lambda: entry.runtime_data.data.telemetry.started_at.isoformat() == started_at)


TIMES = [f"2026-11-2{day}T10:00:00+00:00" for day in range(6)]


async def test_two_machines_with_one_id(
    hass: HomeAssistant, subscribed: None, loaded: MockConfigEntry, pi_mqtt: MQTTClient
) -> None:
    for started_at in TIMES[:2] * 2:
        await say(pi_mqtt, loaded, started_at)
    assert issues(hass, loaded) == {}
    await say(pi_mqtt, loaded, TIMES[0])
    assert set(issues(hass, loaded)) == {"twins"}
    await hass.config_entries.async_reload(loaded.entry_id)
    assert issues(hass, loaded) == {}


async def test_a_machine_that_restarts_often(
    hass: HomeAssistant, subscribed: None, loaded: MockConfigEntry, pi_mqtt: MQTTClient
) -> None:
    for started_at in TIMES:
        await say(pi_mqtt, loaded, started_at)
        await say(pi_mqtt, loaded, started_at)
    assert issues(hass, loaded) == {}


async def test_another_server_at_the_address(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.state["server"] |= {"id": "0" * 12, "name": "Attic Pi"}
    await poll(hass)
    assert state_of(hass, FRONT) == "unavailable"
    (found,) = issues(hass, loaded).values()
    assert found is not None
    assert (found["name"], found["other"], found["url"].replace("\\", "")) == ("Garden Pi", "Attic Pi", pi.url)
    pi.state["server"]["id"] = NODE
    await poll(hass)
    assert issues(hass, loaded) == {}
    assert state_of(hass, FRONT) != "unavailable"
