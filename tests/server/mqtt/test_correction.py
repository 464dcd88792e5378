"""What another client publishes on this server's retained topics is put right, and never in a tight loop."""

import asyncio
import json
import time
from itertools import pairwise
from pathlib import Path
from typing import cast

import pytest
from pi_mjpeg_server.mqtt import correction
from pi_mjpeg_server.mqtt.correction import RetainedCorrector
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.retained_topics_file import RetainedTopicsStore

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import (
    CLAIM,
    MakeServer,
    core_discovery_topic,
    fetch,
    wait_for_announcement,
    wait_for_core_discovery,
)
from tests.server.support.recording_client import RecordingClient
from tests.server.support.scripted_camera import until

SNAPSHOT = '{"command": "snapshot"}'


@pytest.fixture
async def client() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def publisher(client: RecordingClient, tmp_path: Path) -> RetainedMessages:
    return RetainedMessages(cast("MqttClient", client), RetainedTopicsStore(tmp_path / "mqtt.json"))


@pytest.fixture
def corrector(publisher: RetainedMessages, monkeypatch: pytest.MonkeyPatch) -> RetainedCorrector:
    monkeypatch.setattr(correction, "MIN_DELAY", 0.05)
    monkeypatch.setattr(correction, "MAX_DELAY", 0.8)
    return RetainedCorrector(publisher)


def message(topic: str, payload: str, *, retained: bool = False) -> Message:
    return Message(topic, payload.encode(), retained)


@pytest.mark.parametrize("wrong", ["offline", "", "ONLINE", "{}", "\x00"])
async def test_a_wrong_message_is_corrected_and_a_right_one_is_not(
    client: RecordingClient, publisher: RetainedMessages, corrector: RetainedCorrector, wrong: str
) -> None:
    publisher.publish("a", "online")
    corrector.received(message("a", "online"))
    await asyncio.sleep(0.1)
    assert client.published == [("a", "online")]
    corrector.received(message("a", wrong))
    assert client.published == [("a", "online")]
    await until(lambda: client.published == [("a", "online")] * 2)


async def test_nothing_is_corrected_before_it_is_published_and_after_the_connection_is_lost(
    client: RecordingClient, publisher: RetainedMessages, corrector: RetainedCorrector
) -> None:
    corrector.received(message("a", "offline"))
    await asyncio.sleep(0.1)
    publisher.publish("b", "online")
    corrector.received(message("b", "offline"))
    corrector.cancel()
    await asyncio.sleep(0.1)
    publisher.publish("c", "online")
    corrector.received(message("c", "offline"))
    publisher.reset()
    await asyncio.sleep(0.1)
    assert client.published == [("b", "online"), ("c", "online")]


async def test_what_was_retained_before_is_cleared_only_where_nothing_is_published(
    client: RecordingClient, publisher: RetainedMessages, corrector: RetainedCorrector
) -> None:
    for topic in ("a", "b", "c"):
        corrector.received(message(topic, "old", retained=True))
    publisher.publish("a", "new")
    publisher.expect_empty(["a", "b"])
    corrector.everything_published()
    await asyncio.sleep(0.2)
    assert client.published == [("a", "new"), ("b", "")]
    corrector.received(message("b", "false"))
    await until(lambda: client.published[2:] == [("b", "")])


async def test_what_the_server_itself_has_replaced_is_no_contradiction(
    client: RecordingClient,
    publisher: RetainedMessages,
    corrector: RetainedCorrector,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A broker of MQTT 3.1.1 sends each message back to its publisher, which has published another one by then."""
    for _ in range(4):
        for number in range(5):
            publisher.publish("a", str(number))
        for number in range(5):
            corrector.received(message("a", str(number)))
            await asyncio.sleep(0.002)
        await asyncio.sleep(0.1)
    assert len(client.published) == 20
    assert caplog.text == ""


async def test_two_that_contradict_each_other_do_so_ever_later(
    client: RecordingClient,
    publisher: RetainedMessages,
    corrector: RetainedCorrector,
    caplog: pytest.LogCaptureFixture,
) -> None:
    publisher.publish("a", "online")
    corrections: list[float] = []
    answered = len(client.published)
    end = time.monotonic() + 4
    corrector.received(message("a", "offline"))
    while time.monotonic() < end:
        if len(client.published) > answered:
            answered = len(client.published)
            corrections.append(time.monotonic())
            corrector.received(message("a", "offline"))
        await asyncio.sleep(0.002)
    waits = [later - earlier for earlier, later in pairwise(corrections)]
    assert 5 <= len(corrections) <= 10
    assert waits[0] > 0.09
    assert all(0.75 < wait < 1.2 for wait in waits[4:]), waits
    assert caplog.text.count("another client publishes on a") == 1


async def test_a_flood_costs_no_more_than_one_message(
    client: RecordingClient, publisher: RetainedMessages, corrector: RetainedCorrector
) -> None:
    publisher.publish("a", "online")
    publisher.publish("b", "online")
    for number in range(10_000):
        corrector.received(message("a", str(number)))
    corrector.received(message("b", "offline"))
    await asyncio.sleep(0.3)
    assert sorted(client.published[2:]) == [("a", "online"), ("b", "online")]


async def test_after_a_quiet_time_a_correction_is_quick_again(
    client: RecordingClient, publisher: RetainedMessages, corrector: RetainedCorrector
) -> None:
    publisher.publish("a", "online")
    for _ in range(3):
        before = len(client.published)
        corrector.received(message("a", "offline"))
        await until(lambda before=before: len(client.published) > before)  # type: ignore[misc]  # mypy infers no default
    await asyncio.sleep(1.7)
    corrector.received(message("a", "offline"))
    assert await until(lambda: len(client.published) == 5) < 0.1


def test_a_stranger_cannot_change_what_readers_believe(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    announcement = wait_for_announcement(listener)
    node, camera = announcement["id"], announcement["cameras"][0]
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    wait_for_core_discovery(listener, node)
    not_retained = {camera["command_topic"], camera["command_topic"].replace("/command", "/result")}
    own = {
        announcement["availability_topic"]: "offline",
        camera["availability_topic"]: "offline",
        camera["state_topic"]: '{"schema": 1, "state": "stuck"}',
        camera["snapshot_topic"]: '{"schema": 1, "url": "http://192.0.2.1/evil.jpg"}',
        camera["motion_topic"]: '{"schema": 1, "motion": true}',
        f"pi_mjpeg/{node}/state": "",
        f"pi_mjpeg/discovery/{node}/config": json.dumps({**announcement, "base_url": "http://192.0.2.1"}),
        core_discovery_topic(node): "",
    }
    assert own.keys() == {topic for topic in listener.retained if node in topic} - not_retained
    right = dict(listener.retained)
    for topic, wrong in own.items():
        listener.publish(topic, wrong, retain=True)
    listener.wait(lambda heard: all(heard.retained.get(topic, "") == wrong for topic, wrong in own.items()), 1)
    telemetry = {topic for topic in own if topic.endswith("/state")}
    # Telemetry may have another value by now.
    listener.wait(lambda heard: all(heard.retained.get(topic) == right[topic] for topic in own.keys() - telemetry), 5)
    listener.wait(lambda heard: all("stuck" not in heard.retained.get(topic, "stuck") for topic in telemetry), 5)


def test_a_false_document_of_a_claimed_server_is_cleared(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    node = wait_for_announcement(listener)["id"]
    core = json.dumps(wait_for_core_discovery(listener, node))
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained)
    listener.publish(core_discovery_topic(node), core, retain=True)
    listener.wait_for_retained(core_discovery_topic(node), core)
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained, 5)


def test_a_false_announcement_of_a_server_without_one_is_cleared(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    announcement = wait_for_announcement(listener)
    topic = f"pi_mjpeg/discovery/{announcement['id']}/config"
    first.stop()
    make_server("--mqtt-discovery", "core")
    listener.wait_for_retained(announcement["availability_topic"], "online")
    listener.wait(lambda heard: topic not in heard.retained)
    listener.publish(topic, json.dumps(announcement), retain=True)
    listener.wait_for_retained(topic, json.dumps(announcement))
    listener.wait(lambda heard: topic not in heard.retained, 5)


def test_a_snapshot_that_was_changed_while_the_server_was_off_is_put_right(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    before = json.loads(listener.retained[camera["snapshot_topic"]])
    first.stop()
    evil = json.dumps({**before, "url": "http://192.0.2.1/evil.jpg"})
    listener.publish(camera["snapshot_topic"], evil, retain=True)
    listener.wait_for_retained(camera["snapshot_topic"], evil)
    make_server()
    listener.wait(lambda heard: heard.retained.get(camera["snapshot_topic"], evil) != evil)
    after = json.loads(listener.retained[camera["snapshot_topic"]])
    assert {key: value for key, value in after.items() if key != "url"} == {
        key: value for key, value in before.items() if key != "url"
    }
    assert len(fetch(after["url"])) == before["bytes"]


def test_a_snapshot_of_a_server_that_has_none_is_cleared(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    topic = wait_for_announcement(listener)["cameras"][0]["snapshot_topic"]
    first.stop()
    listener.publish(topic, '{"schema": 1, "url": "http://192.0.2.1/evil.jpg"}', retain=True)
    listener.wait(lambda heard: topic in heard.retained)
    make_server()
    listener.wait(lambda heard: topic not in heard.retained)
    listener.publish(topic, '{"schema": 1, "url": "http://192.0.2.1/evil.jpg"}', retain=True)
    listener.wait(lambda heard: topic in heard.retained)
    listener.wait(lambda heard: topic not in heard.retained, 5)
