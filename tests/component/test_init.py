"""The entry: its devices, its claim on the node, its snapshots, and cameras that come and go."""

import asyncio
import copy
import json
from collections.abc import Callable
from datetime import UTC, datetime
from time import monotonic

import pytest
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it brings no types
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.components import mqtt
from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers import device_registry as dr
from homeassistant.helpers import entity_registry as er
from homeassistant.helpers.dispatcher import async_dispatcher_send
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg import async_remove_config_entry_device, push
from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import FRONT, IMAGE, poll, state_of, until
from tests.component.support.fake_pi import NODE, Pi, example, jpeg

BUTTON = "button.front_door_take_snapshot"
KEYS = (
    "motion",
    "motion_detection",
    "motion_sensitivity",
    *("camera", "camera_small", "take_snapshot", "last_snapshot", "clip", "last_clip", "restart", "problem", "privacy"),
    *("state", "frame_rate", "viewers", "drops", "restarts", "last_error"),
)
CLAIMED = f"pi_mjpeg/{NODE}/claimed"


def retained(broker: Broker, topic: str) -> str | None:
    message = broker._retained_messages.get(topic)  # noqa: SLF001 - it tells it nowhere else
    return bytes(message.data).decode() if message else None


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    """Return what was warned of. asyncio warns of each step that takes a slow machine a tenth of a second."""
    found = (record for record in caplog.records if record.levelname == "WARNING" and record.name != "asyncio")
    return [record.getMessage() for record in found]


async def test_there_is_a_device_for_the_pi_and_one_for_each_camera(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    devices = dr.async_get(hass)
    server = devices.async_get_device_by_identifier((DOMAIN, NODE), loaded.entry_id)
    camera = devices.async_get_device_by_identifier((DOMAIN, f"{NODE}_front"), loaded.entry_id)
    assert server is not None
    assert camera is not None
    assert (server.name, server.manufacturer, server.sw_version) == ("Garden Pi", "Raspberry Pi", "0.1.0")
    assert server.connections == {("mac", "dc:a6:32:00:00:01")}
    assert server.configuration_url == pi.url
    assert (camera.name, camera.model, camera.via_device_id) == ("Front door", "imx708", server.id)


async def test_a_pi_without_a_network_card_of_its_own_has_a_device_too(
    hass: HomeAssistant, entry: MockConfigEntry, pi: Pi
) -> None:
    pi.state["server"]["mac"] = None
    assert await hass.config_entries.async_setup(entry.entry_id)
    server = dr.async_get(hass).async_get_device_by_identifier((DOMAIN, NODE), entry.entry_id)
    assert server is not None
    assert server.connections == set()


async def test_the_ids_of_entities_do_not_depend_on_names(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    entities = er.async_entries_for_config_entry(er.async_get(hass), loaded.entry_id)
    assert {entity.unique_id for entity in entities} == {
        *(f"{NODE}_{key}" for key in ("connectivity", "temperature", "started_at")),
        *(f"{NODE}_{camera}_{key}" for camera in ("front", "shed") for key in KEYS),
        f"{NODE}_front_control_Brightness",
    }


async def test_a_pi_that_is_off_is_tried_again(hass: HomeAssistant, entry: MockConfigEntry, pi: Pi) -> None:
    await pi.stop()
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await pi.start(pi.port)
    await poll(hass)
    assert entry.state is ConfigEntryState.LOADED


async def test_a_camera_that_comes_later_gets_its_entities_without_a_reload(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    added = {**copy.deepcopy(pi.camera()), "id": "attic", "name": "Attic"}
    pi.state["cameras"].append(added)
    await poll(hass)
    for entity_id in ("camera.attic", "button.attic_take_snapshot", "image.attic_last_snapshot"):
        assert hass.states.get(entity_id) is not None


async def test_a_camera_that_goes_is_unavailable_and_may_then_be_removed(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    devices = dr.async_get(hass)
    front = devices.async_get_device_by_identifier((DOMAIN, f"{NODE}_front"), loaded.entry_id)
    server = devices.async_get_device_by_identifier((DOMAIN, NODE), loaded.entry_id)
    assert front is not None
    assert server is not None
    assert not await async_remove_config_entry_device(hass, loaded, front)
    pi.state["cameras"] = [pi.camera("shed")]
    await poll(hass)
    for entity_id in (FRONT, BUTTON, IMAGE):
        state = hass.states.get(entity_id)
        assert state is not None
        assert state.state == "unavailable"
    assert await async_remove_config_entry_device(hass, loaded, front)
    assert not await async_remove_config_entry_device(hass, loaded, server)
    await hass.config_entries.async_unload(loaded.entry_id)
    assert not await async_remove_config_entry_device(hass, loaded, front)


async def test_the_button_takes_a_snapshot_and_the_image_shows_it(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, hass_client: ClientSessionGenerator
) -> None:
    state = hass.states.get(IMAGE)
    assert state is not None
    assert state.state == "unknown"
    await hass.services.async_call("button", "press", {"entity_id": BUTTON}, blocking=True)
    state = hass.states.get(IMAGE)
    assert state is not None
    assert datetime.fromisoformat(state.state) == datetime(2026, 11, 22, 10, tzinfo=UTC)
    client = await hass_client()
    for _ in range(2):
        response = await client.get(f"/api/image_proxy/{IMAGE}")
        assert (response.status, await response.read()) == (200, jpeg(8))
    assert len([request for request in pi.requests if request.startswith("GET /snapshots/")]) == 1


async def test_without_a_snapshot_the_image_is_an_error_and_not_an_old_one(
    loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    assert (await (await hass_client()).get(f"/api/image_proxy/{IMAGE}")).status == 500


async def test_a_failed_snapshot_is_an_error_of_the_button(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi
) -> None:
    await pi.stop()
    with pytest.raises(HomeAssistantError) as caught:
        await hass.services.async_call("button", "press", {"entity_id": BUTTON}, blocking=True)
    assert caught.value.translation_key == "snapshot_failed"


async def test_a_snapshot_of_somebody_else_comes_over_mqtt(
    hass: HomeAssistant, subscribed: MockConfigEntry, pi: Pi, pi_mqtt: MQTTClient
) -> None:
    pi.camera()["snapshot"] = json.loads(example("snapshot.json"))
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/front/snapshot", example("snapshot.json").encode(), qos=1, retain=True)
    await until(lambda: "front" in subscribed.runtime_data.snapshots)
    assert state_of(hass, IMAGE) == "2026-11-22T10:00:00+00:00"
    pi.camera()["snapshot"] = None
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/front/snapshot", b"", qos=1, retain=True)
    await until(lambda: state_of(hass, IMAGE) == "unknown")


async def test_the_node_is_claimed_and_given_back_when_the_entry_is_removed(
    hass: HomeAssistant, with_mqtt: None, loaded: MockConfigEntry, broker: Broker
) -> None:
    await until(lambda: retained(broker, CLAIMED) is not None)
    claim = retained(broker, CLAIMED)
    assert claim is not None
    assert json.loads(claim) == json.loads(example("claimed.json"))
    await hass.config_entries.async_unload(loaded.entry_id)
    assert retained(broker, CLAIMED) == claim
    await hass.config_entries.async_remove(loaded.entry_id)
    await until(lambda: retained(broker, CLAIMED) is None)


async def test_a_broker_that_forgot_the_claim_gets_it_again(
    hass: HomeAssistant, with_mqtt: None, loaded: MockConfigEntry, broker: Broker, pi_mqtt: MQTTClient
) -> None:
    await until(lambda: retained(broker, CLAIMED) is not None)
    await pi_mqtt.publish(CLAIMED, b"", qos=1, retain=True)
    await until(lambda: retained(broker, CLAIMED) is None)
    async_dispatcher_send(hass, mqtt.MQTT_CONNECTION_STATE, True)  # noqa: FBT003 - Home Assistant's signature
    await until(lambda: retained(broker, CLAIMED) is not None)


async def test_a_claim_that_cannot_be_published_keeps_nothing_from_working(
    hass: HomeAssistant, with_mqtt: None, entry: MockConfigEntry, broker: Broker
) -> None:
    await broker.shutdown()
    await until(lambda: not mqtt.is_connected(hass))
    assert await hass.config_entries.async_setup(entry.entry_id)
    assert await hass.config_entries.async_remove(entry.entry_id)
    await broker.start()


async def test_without_mqtt_the_entry_works_and_can_be_removed(hass: HomeAssistant, loaded: MockConfigEntry) -> None:
    assert loaded.state is ConfigEntryState.LOADED
    assert (await hass.config_entries.async_remove(loaded.entry_id))["require_restart"] is False


async def test_mqtt_that_is_set_up_later_is_used_from_then_on(
    hass: HomeAssistant, loaded: MockConfigEntry, with_mqtt: None, broker: Broker, pi_mqtt: MQTTClient
) -> None:
    await until(lambda: f"pi_mjpeg/{NODE}/availability" in broker._subscriptions)  # noqa: SLF001 - told nowhere else
    await pi_mqtt.publish(f"pi_mjpeg/{NODE}/availability", b"offline", qos=1)
    await until(lambda: not loaded.runtime_data.last_update_success)


async def test_unloading_after_mqtt_came_later_logs_nothing(
    hass: HomeAssistant,
    loaded: MockConfigEntry,
    with_mqtt: None,
    broker: Broker,
    caplog: pytest.LogCaptureFixture,
) -> None:
    await until(lambda: f"pi_mjpeg/{NODE}/availability" in broker._subscriptions)  # noqa: SLF001 - told nowhere else
    caplog.clear()
    assert await hass.config_entries.async_unload(loaded.entry_id)
    assert warnings(caplog) == []


async def test_mqtt_that_never_comes_is_no_longer_waited_for_after_unloading(
    hass: HomeAssistant, loaded: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    listeners = hass.data["dispatcher"][SIGNAL_CONFIG_ENTRY_CHANGED]
    before = len(listeners)
    caplog.clear()
    assert await hass.config_entries.async_unload(loaded.entry_id)
    await hass.async_block_till_done(wait_background_tasks=True)
    assert len(hass.data["dispatcher"].get(SIGNAL_CONFIG_ENTRY_CHANGED, {})) == before - 1
    assert warnings(caplog) == []


async def test_whatever_was_reloaded_each_message_has_one_handler_and_none_after_removal(
    hass: HomeAssistant,
    with_mqtt: None,
    loaded: MockConfigEntry,
    pi_mqtt: MQTTClient,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    topic = f"pi_mjpeg/{NODE}/state"
    (mqtt_entry,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    handled: list[str] = []
    original = push._handle  # noqa: SLF001 - what counts is how often it is called

    @callback
    def counted(on_message: Callable[[mqtt.ReceiveMessage], None], message: mqtt.ReceiveMessage) -> None:
        if message.topic == topic:
            handled.append(message.topic)
        original(on_message, message)

    monkeypatch.setattr(push, "_handle", counted)

    async def handlers() -> int:
        """Return how often a message is handled."""
        payload = example("server_state.json").encode()
        began = monotonic()
        # Subscriptions are sent to the broker after a while.
        while not handled and monotonic() < began + 5:
            await pi_mqtt.publish(topic, payload, qos=1)
            await asyncio.sleep(0.2)
        handled.clear()
        await pi_mqtt.publish(topic, payload, qos=1)
        await asyncio.sleep(0.5)
        count = len(handled)
        handled.clear()
        return count

    async def reload(*entries: ConfigEntry) -> None:
        for each in entries:
            assert await hass.config_entries.async_reload(each.entry_id)
            await hass.async_block_till_done()

    await reload(loaded)
    assert await handlers() == 1
    await reload(mqtt_entry)
    assert await handlers() == 1
    await reload(loaded, loaded)
    assert await handlers() == 1
    await reload(mqtt_entry, mqtt_entry, loaded)
    assert await handlers() == 1
    assert await hass.config_entries.async_unload(mqtt_entry.entry_id)
    await reload(loaded)
    assert await hass.config_entries.async_setup(mqtt_entry.entry_id)
    assert await handlers() == 1
    await hass.config_entries.async_remove(loaded.entry_id)
    assert await handlers() == 0
