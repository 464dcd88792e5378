"""What is gone is unavailable within a moment, and available again by itself when it is back."""

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from amqtt.broker import Broker  # type: ignore[import-untyped]  # it brings no types
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # likewise
from homeassistant.const import STATE_UNAVAILABLE
from homeassistant.core import Event, EventStateChangedData, HomeAssistant, callback
from homeassistant.helpers.event import async_track_state_change_event
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from custom_components.pi_mjpeg.api import offline_check
from tests.component.conftest import FRONT, SHED, poll, state_of, until
from tests.component.support.fake_pi import NODE, Pi, example

BASE = f"pi_mjpeg/{NODE}"

type Publish = Callable[[str, str], Awaitable[None]]


@pytest.fixture
async def publish(subscribed: MockConfigEntry, pi_mqtt: MQTTClient) -> Publish:
    """Publishes as the Pi does, once Home Assistant has subscribed."""

    async def publish_below_base(topic: str, payload: str) -> None:
        await pi_mqtt.publish(f"{BASE}/{topic}", payload.encode(), qos=1, retain=True)

    return publish_below_base


def is_available(hass: HomeAssistant, entity_id: str = FRONT) -> bool:
    state = hass.states.get(entity_id)
    assert state is not None
    return state.state != STATE_UNAVAILABLE


async def test_a_camera_without_pictures_is_unavailable_from_the_start(
    hass: HomeAssistant, loaded: MockConfigEntry
) -> None:
    assert is_available(hass)
    assert not is_available(hass, SHED)
    assert not is_available(hass, "button.shed_take_snapshot")


async def test_polling_alone_finds_out_both_ways_and_logs_each_once(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    await pi.stop()
    for _ in range(3):
        await poll(hass)
    assert not is_available(hass)
    await pi.start(pi.port)
    for _ in range(3):
        await poll(hass)
    assert is_available(hass)
    ours = [record.message for record in caplog.records if record.name == "custom_components.pi_mjpeg"]
    assert len([message for message in ours if "does not tell its state" in message]) == 1
    assert ours.count("Fetching Garden Pi data recovered") == 1


async def test_polling_finds_a_camera_that_fails(hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi) -> None:
    pi.camera()["available"] = False
    await poll(hass)
    assert not is_available(hass)


async def test_another_server_at_the_address_is_not_taken_for_ours(
    hass: HomeAssistant, loaded: MockConfigEntry, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    pi.state["server"]["id"] = "another"
    await poll(hass)
    assert not is_available(hass)
    assert "Another server, Garden Pi, answers" in caplog.text


async def test_offline_over_mqtt_counts_at_once_and_online_undoes_it(
    hass: HomeAssistant, publish: Publish, pi: Pi, caplog: pytest.LogCaptureFixture
) -> None:
    await publish("availability", "offline")
    await until(lambda: not is_available(hass), seconds=1)
    await publish("availability", "offline")
    before = len(pi.requests)
    await publish("availability", "online")
    await until(lambda: is_available(hass), seconds=5)
    assert len(pi.requests) > before
    assert caplog.text.count("The server says that it is offline") == 1
    assert caplog.text.count("Fetching Garden Pi data recovered") == 1


async def test_a_camera_that_fails_after_an_outage_becomes_available_once_when_it_gives_pictures(
    hass: HomeAssistant, publish: Publish, pi: Pi, loaded: MockConfigEntry
) -> None:
    """Each time that it becomes available, every open dashboard loads the live picture."""
    states: list[str] = []

    @callback
    def note(event: Event[EventStateChangedData]) -> None:
        new = event.data["new_state"]
        assert new is not None
        states.append(new.state)

    async_track_state_change_event(hass, FRONT, note)
    await publish("availability", "offline")
    await until(lambda: not is_available(hass))
    pi.camera()["available"] = False
    await publish("availability", "online")
    await until(lambda: loaded.runtime_data.last_update_success and "front" in loaded.runtime_data.data.cameras)
    await until(lambda: not loaded.runtime_data.data.cameras["front"].available)
    await publish("front/availability", "online")
    await until(lambda: is_available(hass))
    assert states == ["unavailable", "streaming"]


async def test_a_server_that_did_not_answer_when_it_came_online_is_asked_again_when_it_says_something(
    hass: HomeAssistant, publish: Publish, pi: Pi
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        return web.Response(status=503)

    await publish("availability", "offline")
    await until(lambda: not is_available(hass))
    pi.answers["/api/state"] = refuse
    polls = pi.requests.count("GET /api/state")
    await publish("availability", "online")
    await until(lambda: pi.requests.count("GET /api/state") > polls)
    await hass.async_block_till_done()
    assert not is_available(hass)
    del pi.answers["/api/state"]
    await publish("state", example("server_state.json"))
    await until(lambda: is_available(hass), seconds=5)


async def test_a_camera_that_comes_is_asked_about_at_once(hass: HomeAssistant, publish: Publish, pi: Pi) -> None:
    pi.state["cameras"].append({**pi.camera(), "id": "attic", "name": "Attic"})
    await publish("attic/availability", "online")
    await until(lambda: hass.states.get("camera.attic"), seconds=2)


async def test_an_answer_while_the_server_stops_does_not_bring_it_back(hass: HomeAssistant, publish: Publish) -> None:
    await publish("availability", "offline")
    await until(lambda: not is_available(hass))
    await poll(hass)
    assert not is_available(hass)


async def test_a_server_that_only_lost_the_broker_is_found_by_the_poll(
    hass: HomeAssistant, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(offline_check, "OFFLINE_GRACE", 0)
    await publish("availability", "offline")
    await until(lambda: not is_available(hass))
    await poll(hass)
    assert is_available(hass)


async def test_an_old_offline_that_the_broker_kept_is_checked_and_not_believed(
    hass: HomeAssistant, pi_mqtt: MQTTClient, entry: MockConfigEntry, with_mqtt: None, pi: Pi
) -> None:
    await pi_mqtt.publish(f"{BASE}/availability", b"offline", qos=1, retain=True)
    await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: pi.requests.count("GET /api/state") == 2)
    await hass.async_block_till_done()
    assert is_available(hass)


async def test_a_camera_that_loses_its_pictures_says_so_over_mqtt(
    hass: HomeAssistant, publish: Publish, pi: Pi
) -> None:
    pi.camera()["available"] = False
    await publish("front/availability", "offline")
    await until(lambda: not is_available(hass), seconds=1)
    pi.camera()["available"] = True
    await publish("front/availability", "online")
    await until(lambda: is_available(hass), seconds=1)
    pi.camera("shed")["available"] = True
    await publish("shed/availability", "online")
    await until(lambda: is_available(hass, SHED), seconds=1)


@pytest.mark.parametrize(("topic", "false"), [("front", "offline"), ("shed", "online")])
async def test_what_somebody_else_says_of_a_camera_is_put_right_by_the_pi(
    hass: HomeAssistant, publish: Publish, pi: Pi, topic: str, false: str
) -> None:
    polls = pi.requests.count("GET /api/state")
    await publish(f"{topic}/availability", false)
    await until(lambda: pi.requests.count("GET /api/state") > polls)
    await hass.async_block_till_done()
    assert is_available(hass)
    assert not is_available(hass, SHED)


async def test_what_the_broker_remembers_of_a_camera_is_not_believed(
    hass: HomeAssistant, with_mqtt: None, entry: MockConfigEntry, pi: Pi, pi_mqtt: MQTTClient
) -> None:
    await pi_mqtt.publish(f"{BASE}/front/availability", b"offline", qos=1, retain=True)
    states: list[str] = []
    hass.bus.async_listen("state_changed", lambda event: states.append(str(event.data["new_state"])))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await until(lambda: pi.requests.count("GET /api/state") > 1)
    await hass.async_block_till_done()
    assert is_available(hass)
    assert not [state for state in states if f"{FRONT}=unavailable" in state]


async def test_telemetry_is_taken_over(publish: Publish, loaded: MockConfigEntry) -> None:
    await publish("front/state", example("camera_state.json"))
    await publish("state", json.dumps({**json.loads(example("server_state.json")), "temperature": None}))
    server = loaded.runtime_data
    await until(lambda: server.data.telemetry.temperature is None)
    assert server.data.cameras["front"].telemetry.last_error == "No camera number 0 found"


@pytest.mark.parametrize(
    ("topic", "payload"),
    [
        ("availability", "OFFLINE"),
        ("availability", ""),
        ("front/availability", "x" * 100_000),
        ("front/state", "{}"),
        ("front/state", "[" * 60_000),
        ("state", '{"schema": 2}'),
        ("front/snapshot", "not json"),
        ("front/snapshot", '{"schema": 1, "id": "../../etc/passwd"}'),
        ("nobody/availability", "offline"),
        ("nobody/snapshot", example("snapshot.json")),
        ("shed/snapshot", example("snapshot.json")),
        ("front/snapshot", example("snapshot.json").replace("front-2026", "shed-2026")),
    ],
)
async def test_messages_outside_the_contract_change_nothing(
    hass: HomeAssistant,
    publish: Publish,
    loaded: MockConfigEntry,
    pi: Pi,
    topic: str,
    payload: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before, polls = loaded.runtime_data.data, pi.requests.count("GET /api/state")
    await publish(topic, payload)
    if topic == "nobody/availability":
        # The server is asked about a camera that is not known. Its answer may be older than the next message.
        await until(lambda: pi.requests.count("GET /api/state") > polls)
        await hass.async_block_till_done()
    pi.camera()["available"] = False
    await publish("front/availability", "offline")  # what comes after it still counts
    await until(lambda: not is_available(hass))
    pi.camera()["available"] = True
    await publish("front/availability", "online")
    await until(lambda: is_available(hass))
    await hass.async_block_till_done()
    assert loaded.runtime_data.data == before
    assert loaded.runtime_data.snapshots == {}
    assert "Traceback" not in caplog.text


async def test_an_old_snapshot_that_is_published_again_is_not_shown_under_a_new_time(
    hass: HomeAssistant, publish: Publish, loaded: MockConfigEntry, pi: Pi
) -> None:
    again = json.loads(example("snapshot.json")) | {"time": "2026-11-22T23:59:00.000Z"}
    pi.camera()["snapshot"] = {**again, "time": "2026-11-22T10:00:00.000Z"}
    again["url"] = again["url"].replace("192.168.1.20:8000", "evil.example")
    await publish("front/snapshot", json.dumps(again))
    await until(lambda: state_of(hass, "image.front_door_last_snapshot") != "unknown")
    assert state_of(hass, "image.front_door_last_snapshot") == "2026-11-22T10:00:00+00:00"
    snapshot = loaded.runtime_data.snapshots["front"]
    assert str(loaded.runtime_data.client.kept.snapshot_url(snapshot)).startswith(f"{pi.url}/snapshots/front-20261122T")


async def test_unloading_ends_all_subscriptions(
    hass: HomeAssistant, publish: Publish, loaded: MockConfigEntry, broker: Broker
) -> None:
    await hass.config_entries.async_unload(loaded.entry_id)
    listeners = broker._subscriptions  # noqa: SLF001 - likewise
    await until(lambda: not any(who for topic, who in listeners.items() if topic.startswith(BASE)))
