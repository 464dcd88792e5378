"""A claim counts when it has stood for a while: claims back and forth change nothing."""

import asyncio
import json
import threading
import time
from pathlib import Path
from typing import cast

import pytest
from pi_mjpeg_server.mqtt import core_discovery, retained_topics_file
from pi_mjpeg_server.mqtt.core_discovery import CoreDiscovery
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.retained_topics_file import RetainedTopics, RetainedTopicsStore, load
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import Identity

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import (
    CLAIM,
    MakeServer,
    core_discovery_topic,
    wait_for_announcement,
    wait_for_core_discovery,
)
from tests.server.support.recording_client import RecordingClient
from tests.server.support.scripted_camera import NODE, until

TOPICS = Topics(NODE)


class Discovery:
    """Core discovery with a client that records what is published."""

    def __init__(self, folder: Path) -> None:
        self.client = RecordingClient()
        self.store = RetainedTopicsStore(folder / "mqtt.json")
        publisher = RetainedMessages(cast("MqttClient", self.client), self.store)
        snapshots = SnapshotStore(folder / "snapshots", UrlSigner(lambda: b""))
        clips = ClipStore(folder / "clips", UrlSigner(lambda: b"k" * 32))
        stores = ControlStore(folder / "controls.json"), SettingsStore(folder / "settings.json"), clips
        server = Server(Identity(NODE, "Pi", None, None, "0.1.0"), [], snapshots, *stores)
        self.discovery = CoreDiscovery(server, TOPICS, "auto", publisher, self.store)

    def claim(self, *, claimed: bool) -> None:
        """Receive a claim or its end."""
        payload = CLAIM.encode() if claimed else b""
        self.discovery.claim_received(Message(TOPICS.claimed, payload, retained=False))

    @property
    def documents(self) -> list[bool]:
        """For each document that was published, whether it was one."""
        return [bool(payload) for _, payload in self.client.published]


@pytest.fixture
async def discovery(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Discovery:
    monkeypatch.setattr(core_discovery, "CLAIM_TIMEOUT", 0.05)
    monkeypatch.setattr(core_discovery, "MIN_SETTLING", 0.2)
    monkeypatch.setattr(core_discovery, "MAX_SETTLING", 0.8)
    return Discovery(tmp_path)


async def test_claims_back_and_forth_change_nothing(discovery: Discovery, caplog: pytest.LogCaptureFixture) -> None:
    task = asyncio.create_task(discovery.discovery.run("http://pi.example"))
    await until(lambda: discovery.documents == [True])
    for number in range(150):
        discovery.claim(claimed=number % 2 == 0)
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.3)
    assert discovery.documents == [True]
    assert not discovery.store.retained.claimed
    assert caplog.text == ""
    discovery.claim(claimed=True)
    await until(lambda: discovery.documents == [True, False])
    task.cancel()


async def test_claims_that_stand_for_a_while_count_ever_later(discovery: Discovery) -> None:
    task = asyncio.create_task(discovery.discovery.run("http://pi.example"))
    await until(lambda: discovery.documents == [True])
    waits = []
    for number in range(4):
        began = time.monotonic()
        discovery.claim(claimed=number % 2 == 0)
        await until(lambda count=number + 2: len(discovery.documents) == count)  # type: ignore[misc]  # mypy infers no default
        waits.append(time.monotonic() - began)
    assert 0.15 < waits[0] < 0.4
    assert 0.75 < waits[3] < 1.2
    assert discovery.documents == [True, False, True, False, True]
    task.cancel()


async def test_a_claim_that_changes_while_its_document_is_published_settles_too(discovery: Discovery) -> None:
    discovery.client.acknowledge.clear()
    task = asyncio.create_task(discovery.discovery.run("http://pi.example"))
    await until(lambda: discovery.client.flushing == 1)
    discovery.claim(claimed=True)
    discovery.client.acknowledge.set()
    await asyncio.sleep(0.1)
    assert discovery.documents == [True]
    discovery.claim(claimed=False)
    await asyncio.sleep(0.4)
    assert discovery.documents == [True]
    task.cancel()


def test_a_server_under_claims_back_and_forth_writes_no_warning(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    server = make_server()
    node = wait_for_announcement(listener)["id"]
    wait_for_core_discovery(listener, node)
    listener.messages.clear()
    for _ in range(75):
        listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True, wait=False)
        time.sleep(0.02)
        listener.publish(f"pi_mjpeg/{node}/claimed", "", retain=True, wait=False)
        time.sleep(0.02)
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained)
    changes = [payload for topic, payload in listener.messages if topic == core_discovery_topic(node)]
    assert changes == [""]
    listener.wait(lambda _: json.loads((tmp_path / "state" / "mqtt.json").read_text())["claimed"])
    log = server.log.read_text().lower()
    assert [line for line in log.splitlines() if "mqtt" in line and " info " not in line] == []


class HeldSave:
    """A write of the retained topics `topics` that waits in its thread for `go_on`, once it has `begun`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, topics: set[str]) -> None:
        self.begun, self.go_on = threading.Event(), threading.Event()
        self._topics = topics
        self._save = retained_topics_file.save
        monkeypatch.setattr(retained_topics_file, "save", self._held)

    def _held(self, file: Path, retained: RetainedTopics) -> None:
        if retained.topics == self._topics:
            self.begun.set()
            self.go_on.wait(5)
        self._save(file, retained)


async def test_a_write_that_was_cancelled_does_not_undo_a_later_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread goes on when its task is cancelled."""
    held = HeldSave(monkeypatch, {"first"})
    store = RetainedTopicsStore(file := tmp_path / "mqtt.json")
    store.retained.topics = {"first"}
    first = asyncio.create_task(store.save())
    await asyncio.to_thread(held.begun.wait, 5)
    first.cancel()
    store.retained.topics = {"second"}
    second = asyncio.create_task(store.save())
    await asyncio.sleep(0.1)
    held.go_on.set()
    await second
    await asyncio.sleep(0.1)
    assert load(file).topics == {"second"}


async def test_a_write_that_was_cancelled_does_not_undo_the_return_to_what_was_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = HeldSave(monkeypatch, {"other"})
    store = RetainedTopicsStore(file := tmp_path / "mqtt.json")
    store.retained.topics = {"first"}
    await store.save()
    store.retained.topics = {"other"}
    other = asyncio.create_task(store.save())
    await asyncio.to_thread(held.begun.wait, 5)
    other.cancel()
    store.retained.topics = {"first"}
    again = asyncio.create_task(store.save())
    await asyncio.sleep(0.1)
    held.go_on.set()
    await again
    assert load(file).topics == {"first"}


async def test_a_disk_that_fails_is_reported_once_and_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    write = retained_topics_file.save

    def fail(_file: Path, _retained: RetainedTopics) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(retained_topics_file, "save", fail)
    store = RetainedTopicsStore(file := tmp_path / "mqtt.json")
    for number in range(100):
        store.retained.topics = {str(number)}
        await store.save()
    assert caplog.text.count("No space left on device") == 1
    monkeypatch.setattr(retained_topics_file, "save", write)
    await store.save()
    assert load(file).topics == {"99"}


@pytest.mark.parametrize("topic", ["", "a/#", "+/b", "a\nb", "a\x00", "\ud800", "x" * 1025, 1, None])
def test_a_recorded_topic_that_is_none_is_not_published_on(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, topic: object
) -> None:
    (file := tmp_path / "mqtt.json").write_text(json.dumps({"topics": [topic], "components": {}, "claimed": False}))
    assert load(file) == RetainedTopics()
    assert "cannot be read" in caplog.text
