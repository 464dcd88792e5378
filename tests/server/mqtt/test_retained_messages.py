"""What is published, cleared and recorded, with a client that acknowledges when the test tells it to."""

import asyncio
from pathlib import Path
from typing import cast

import pytest
from pi_mjpeg_server.mqtt.core_discovery import CoreDiscovery
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.retained_topics_file import RetainedTopicsStore
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import Identity

from tests.server.support.mqtt_server import CLAIM
from tests.server.support.recording_client import RecordingClient
from tests.server.support.scripted_camera import NODE, until

TOPICS = Topics(NODE)


@pytest.fixture
async def client() -> RecordingClient:
    return RecordingClient()


@pytest.fixture
def store(tmp_path: Path) -> RetainedTopicsStore:
    return RetainedTopicsStore(tmp_path / "mqtt.json")


@pytest.fixture
def publisher(client: RecordingClient, store: RetainedTopicsStore) -> RetainedMessages:
    return RetainedMessages(cast("MqttClient", client), store)


async def test_a_message_is_published_only_when_it_differs_from_the_last_one(
    client: RecordingClient, publisher: RetainedMessages
) -> None:
    publisher.publish("a", "1")
    publisher.publish("a", "1")
    publisher.publish("a", {"schema": 1})
    publisher.publish("a", {"schema": 1})
    publisher.publish("a", {"schema": 1}, force=True)
    publisher.reset()
    assert publisher.expected("a") is None
    publisher.publish("a", {"schema": 1})
    assert client.published == [("a", "1"), *[("a", '{"schema":1}')] * 3]


async def test_stale_topics_are_cleared_and_forgotten_once_the_broker_has_acknowledged(
    client: RecordingClient, publisher: RetainedMessages, store: RetainedTopicsStore, tmp_path: Path
) -> None:
    await publisher.record({"old", "current"})
    publisher.clear_stale({"current"})
    assert client.published == [("old", "")]
    assert store.retained.topics == {"old", "current"}
    assert await publisher.flush()
    assert store.retained.topics == {"current"}
    await store.save()
    assert "old" not in (tmp_path / "mqtt.json").read_text()


async def test_a_topic_that_is_published_again_before_the_broker_has_acknowledged_is_not_forgotten(
    publisher: RetainedMessages, store: RetainedTopicsStore
) -> None:
    await publisher.record({"a"})
    publisher.clear("a")
    publisher.publish("a", "1")
    assert await publisher.flush()
    assert store.retained.topics == {"a"}


async def test_core_discovery_works_on_one_change_of_the_claim_at_a_time_and_ends_with_the_last(
    client: RecordingClient, publisher: RetainedMessages, store: RetainedTopicsStore, tmp_path: Path
) -> None:
    snapshots = SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: b""))
    clips = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32))
    stores = ControlStore(tmp_path / "controls.json"), SettingsStore(tmp_path / "settings.json"), clips
    server = Server(Identity(NODE, "Pi", None, None, "0.1.0"), [], snapshots, *stores)
    discovery = CoreDiscovery(server, TOPICS, "auto", publisher, store)
    client.acknowledge.clear()
    discovery.claim_received(Message(TOPICS.claimed, b"", retained=True))
    task = asyncio.create_task(discovery.run("http://pi.example"))
    await until(lambda: client.flushing == 1)
    for payload in (CLAIM.encode(), b"", CLAIM.encode()):
        discovery.claim_received(Message(TOPICS.claimed, payload, retained=False))
        await asyncio.sleep(0.01)
    client.acknowledge.set()
    await until(lambda: not store.retained.topics)
    assert client.max_flushing == 1
    assert [bool(payload) for _, payload in client.published] == [True, False]
    task.cancel()
