"""Discovery by Home Assistant's own MQTT integration: every entity appears, becomes unavailable, and is removed."""

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
OF_CAMERA = ("snapshot", "take_snapshot", "restart", "motion", "motion_detection", "motion_sensitivity")
"""What is there only while the camera gives pictures; its telemetry tells why it does not."""


@pytest.fixture
def components() -> dict[str, dict[str, Any]]:
    """The components of the recorded document, by their keys."""
    found: dict[str, dict[str, Any]] = json.loads(example("core_discovery.json"))["components"]
    return found


class CoreDiscovery:
    """The document as the server publishes it, and the entities that Home Assistant makes of its components."""

    def __init__(self, hass: HomeAssistant, pi_mqtt: MQTTClient, components: dict[str, dict[str, Any]]) -> None:
        self._hass = hass
        self._pi_mqtt = pi_mqtt
        self._components = components

    async def publish(self, topic: str, payload: str) -> None:
        """Publish as the server does."""
        await self._pi_mqtt.publish(topic, payload.encode(), qos=1, retain=True)

    async def publish_document(self) -> None:
        """Publish the document, and wait until every entity is there."""
        await self.publish(TOPIC, example("core_discovery.json"))
        await until(lambda: len(self.states) == len(self._components))

    async def publish_online(self) -> None:
        """Publish that the server and both cameras are online."""
        for topic in ("", "/front", "/shed"):
            await self.publish(f"pi_mjpeg/{NODE}{topic}/availability", "online")
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


def logged_problems(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return the logged warnings and errors, except one of 2026.10 about its own integration in a test."""
    # asyncio warns of slow callbacks, which a busy machine has.
    problems = [
        record for record in caplog.records if record.levelname in {"WARNING", "ERROR"} and record.name != "asyncio"
    ]
    messages = [record.getMessage() for record in problems]
    return [message for message in messages if "calls async_forward_entry_setups for integration mqtt" not in message]


@pytest.fixture
def discovery(
    hass: HomeAssistant, with_mqtt: None, pi_mqtt: MQTTClient, components: dict[str, dict[str, Any]]
) -> CoreDiscovery:
    return CoreDiscovery(hass, pi_mqtt, components)


async def test_every_entity_appears_on_one_device_and_without_a_warning(
    hass: HomeAssistant, discovery: CoreDiscovery, caplog: pytest.LogCaptureFixture
) -> None:
    await discovery.publish_document()
    assert set(discovery.states.values()) == {STATE_UNAVAILABLE}
    await discovery.publish_online()
    entities = er.async_get(hass).entities.values()
    (device,) = {entity.device_id for entity in entities}
    assert device is not None
    entry = dr.async_get(hass).async_get(device)
    assert isinstance(entry, dr.DeviceEntry)
    assert (entry.name, entry.sw_version) == ("Garden Pi", "0.1.0")
    assert logged_problems(caplog) == []


async def test_the_states_that_the_server_says_are_shown(
    discovery: CoreDiscovery, caplog: pytest.LogCaptureFixture
) -> None:
    await discovery.publish_document()
    await discovery.publish_online()
    await discovery.publish(f"pi_mjpeg/{NODE}/state", example("server_state.json"))
    await discovery.publish(f"pi_mjpeg/{NODE}/front/state", example("camera_state.json"))
    await discovery.publish(f"pi_mjpeg/{NODE}/front/snapshot", example("snapshot.json"))
    await until(
        lambda: discovery.states["front_state"] == "failing" and discovery.states["front_snapshot"] != "unknown"
    )
    states = discovery.states
    assert states["temperature"] == "48.3"
    assert states["throttled"] == "on"
    assert states["viewers"] == "2"
    assert states["started"] == "2026-11-22T09:00:00+00:00"
    assert states["front_fps"] == "0.0"
    assert states["front_drops"] == "3"
    assert states["front_last_error"] == "No camera number 0 found"
    assert states["shed_state"] == "unknown"
    assert logged_problems(caplog) == []


async def test_entities_are_unavailable_with_the_camera_and_with_the_server(discovery: CoreDiscovery) -> None:
    await discovery.publish_document()
    await discovery.publish_online()
    await discovery.publish(f"pi_mjpeg/{NODE}/front/availability", "offline")
    gone = {f"front_{key}" for key in OF_CAMERA}
    await until(lambda: {key for key, state in discovery.states.items() if state == STATE_UNAVAILABLE} == gone)
    await discovery.publish(f"pi_mjpeg/{NODE}/availability", "offline")
    await until(lambda: set(discovery.states.values()) == {STATE_UNAVAILABLE})


async def test_a_pressed_button_publishes_what_the_server_accepts(
    hass: HomeAssistant, discovery: CoreDiscovery, pi_mqtt: MQTTClient, components: dict[str, dict[str, Any]]
) -> None:
    await discovery.publish_document()
    await discovery.publish_online()
    await pi_mqtt.subscribe([(f"pi_mjpeg/{NODE}/+/command", 1)])
    entity = er.async_get(hass).async_get_entity_id("button", "mqtt", f"{NODE}_front_take_snapshot")
    await hass.services.async_call("button", "press", {"entity_id": entity}, blocking=True)
    message = await pi_mqtt.deliver_message(timeout_duration=5)
    assert message is not None
    assert message.topic == f"pi_mjpeg/{NODE}/front/command"
    assert json.loads(message.data) == {"command": "snapshot"}
    assert json.loads(components["front_take_snapshot"]["payload_press"]) == json.loads(message.data)


@pytest.mark.parametrize(
    ("enabled", "state", "service", "command"),
    [(True, "off", "turn_on", "disable"), (False, "on", "turn_off", "enable")],
)
async def test_the_privacy_switch_shows_and_changes_whether_the_camera_is_off(
    hass: HomeAssistant,
    discovery: CoreDiscovery,
    pi_mqtt: MQTTClient,
    enabled: bool,  # noqa: FBT001  (a parameter of pytest's)
    state: str,
    service: str,
    command: str,
) -> None:
    await discovery.publish_document()
    await discovery.publish_online()
    document = {**json.loads(example("camera_state.json")), "enabled": enabled}
    if not enabled:
        document |= {"state": "off", "reason": None, "last_error": None}
        await discovery.publish(f"pi_mjpeg/{NODE}/front/availability", "offline")
    await discovery.publish(f"pi_mjpeg/{NODE}/front/state", json.dumps(document))
    await until(lambda: discovery.states["front_privacy"] == state)
    assert discovery.states["front_state"] == document["state"]
    await pi_mqtt.subscribe([(f"pi_mjpeg/{NODE}/+/command", 1)])
    entity = er.async_get(hass).async_get_entity_id("switch", "mqtt", f"{NODE}_front_privacy")
    await hass.services.async_call("switch", service, {"entity_id": entity}, blocking=True)
    message = await pi_mqtt.deliver_message(timeout_duration=5)
    assert message is not None
    assert (message.topic, json.loads(message.data)) == (f"pi_mjpeg/{NODE}/front/command", {"command": command})


async def test_the_entities_of_a_removed_camera_go_and_the_others_stay(discovery: CoreDiscovery) -> None:
    await discovery.publish_document()
    document = json.loads(example("core_discovery.json"))
    for key, component in document["components"].items():
        if key.startswith("shed_"):
            document["components"][key] = {"platform": component["platform"]}
    await discovery.publish(TOPIC, json.dumps(document))
    await until(lambda: not [key for key in discovery.states if key.startswith("shed_")])
    assert len([key for key in discovery.states if key.startswith("front_")]) == 11


async def test_all_of_it_goes_with_the_document(hass: HomeAssistant, discovery: CoreDiscovery) -> None:
    await discovery.publish_document()
    await discovery.publish(TOPIC, "")
    await until(lambda: not discovery.states)
    await until(lambda: not dr.async_get(hass).devices)
