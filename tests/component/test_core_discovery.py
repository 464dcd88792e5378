"""What the server says to Home Assistant's own MQTT integration: every entity appears, is unavailable, and goes."""

import json
from typing import Any

import pytest
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import HomeAssistant
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er

from tests.component.conftest import until
from tests.component.support.fake_pi import NODE, example

TOPIC = f"homeassistant/device/pi_mjpeg_{NODE}/config"
OF_CAMERA = ("snapshot", "take_snapshot", "restart")
"""What is there only while the camera gives pictures; its telemetry tells why it does not."""


@pytest.fixture
def components() -> dict[str, dict[str, Any]]:
    """The components of the recorded document, by their keys."""
    found: dict[str, dict[str, Any]] = json.loads(example("core_discovery.json"))["components"]
    return found


class House:
    """Home Assistant, as somebody sees it who knows the document's components by their keys."""

    def __init__(self, hass: HomeAssistant, wire: MQTTClient, components: dict[str, dict[str, Any]]) -> None:
        self._hass = hass
        self._wire = wire
        self._components = components

    async def say(self, topic: str, payload: str) -> None:
        """Publish as the server does."""
        await self._wire.publish(topic, payload.encode(), qos=1, retain=True)

    async def discovered(self) -> None:
        """Say the document, and wait until all of it is there."""
        await self.say(TOPIC, example("core_discovery.json"))
        await until(lambda: len(self.states) == len(self._components))

    async def online(self) -> None:
        """Say that the server and both cameras are there."""
        for topic in ("", "/front", "/shed"):
            await self.say(f"pi_mjpeg/{NODE}{topic}/availability", "online")
        await until(lambda: STATE_UNAVAILABLE not in self.states.values())

    @property
    def states(self) -> dict[str, str]:
        """The states of the entities that there are, by the keys of their components."""
        registry = er.async_get(self._hass)
        states = {}
        for key, component in self._components.items():
            entity = registry.async_get_entity_id(component["platform"], "mqtt", f"{NODE}_{key}")
            if entity is not None and (state := self._hass.states.get(entity)) is not None:
                states[key] = state.state
        return states


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what Home Assistant complains of, but for 2026.10's complaint of its own integration in a test."""
    # asyncio complains of slow callbacks, which a busy machine has.
    loud = [
        record for record in caplog.records if record.levelname in {"WARNING", "ERROR"} and record.name != "asyncio"
    ]
    said = [record.getMessage() for record in loud]
    return [message for message in said if "calls async_forward_entry_setups for integration mqtt" not in message]


@pytest.fixture
def house(hass: HomeAssistant, with_mqtt: None, wire: MQTTClient, components: dict[str, dict[str, Any]]) -> House:
    return House(hass, wire, components)


async def test_every_entity_appears_on_one_device_and_without_a_complaint(
    hass: HomeAssistant, house: House, caplog: pytest.LogCaptureFixture
) -> None:
    await house.discovered()
    assert set(house.states.values()) == {STATE_UNAVAILABLE}
    await house.online()
    entities = er.async_get(hass).entities.values()
    (device,) = {entity.device_id for entity in entities}
    assert device is not None
    entry = dr.async_get(hass).async_get(device)
    assert isinstance(entry, dr.DeviceEntry)
    assert (entry.name, entry.sw_version) == ("Garden Pi", "0.1.0")
    assert complaints(caplog) == []


async def test_the_states_that_the_server_says_are_shown(house: House, caplog: pytest.LogCaptureFixture) -> None:
    await house.discovered()
    await house.online()
    await house.say(f"pi_mjpeg/{NODE}/state", example("server_state.json"))
    await house.say(f"pi_mjpeg/{NODE}/front/state", example("camera_state.json"))
    await house.say(f"pi_mjpeg/{NODE}/front/snapshot", example("snapshot.json"))
    await until(lambda: house.states["front_state"] == "failing" and house.states["front_snapshot"] != "unknown")
    states = house.states
    assert states["temperature"] == "48.3"
    assert states["throttled"] == "on"
    assert states["viewers"] == "2"
    assert states["started"] == "2026-11-22T09:00:00+00:00"
    assert states["front_fps"] == "0.0"
    assert states["front_drops"] == "3"
    assert states["front_last_error"] == "No camera number 0 found"
    assert states["shed_state"] == "unknown"
    assert complaints(caplog) == []


async def test_entities_are_unavailable_with_the_camera_and_with_the_server(house: House) -> None:
    await house.discovered()
    await house.online()
    await house.say(f"pi_mjpeg/{NODE}/front/availability", "offline")
    gone = {f"front_{key}" for key in OF_CAMERA}
    await until(lambda: {key for key, state in house.states.items() if state == STATE_UNAVAILABLE} == gone)
    await house.say(f"pi_mjpeg/{NODE}/availability", "offline")
    await until(lambda: set(house.states.values()) == {STATE_UNAVAILABLE})


async def test_a_pressed_button_says_what_the_server_obeys(
    hass: HomeAssistant, house: House, wire: MQTTClient, components: dict[str, dict[str, Any]]
) -> None:
    await house.discovered()
    await house.online()
    await wire.subscribe([(f"pi_mjpeg/{NODE}/+/command", 1)])
    entity = er.async_get(hass).async_get_entity_id("button", "mqtt", f"{NODE}_front_take_snapshot")
    await hass.services.async_call("button", "press", {"entity_id": entity}, blocking=True)
    message = await wire.deliver_message(timeout_duration=5)
    assert message is not None
    assert message.topic == f"pi_mjpeg/{NODE}/front/command"
    assert json.loads(message.data) == {"command": "snapshot"}
    assert json.loads(components["front_take_snapshot"]["payload_press"]) == json.loads(message.data)


async def test_the_entities_of_a_removed_camera_go_and_the_others_stay(house: House) -> None:
    await house.discovered()
    document = json.loads(example("core_discovery.json"))
    for key, component in document["components"].items():
        if key.startswith("shed_"):
            document["components"][key] = {"platform": component["platform"]}
    await house.say(TOPIC, json.dumps(document))
    await until(lambda: not [key for key in house.states if key.startswith("shed_")])
    assert len([key for key in house.states if key.startswith("front_")]) == 7


async def test_all_of_it_goes_with_the_document(hass: HomeAssistant, house: House) -> None:
    await house.discovered()
    await house.say(TOPIC, "")
    await until(lambda: not house.states)
    await until(lambda: not dr.async_get(hass).devices)
