"""Commands over MQTT are few, whoever sends how many: per camera, kind and time."""

import asyncio
import json
import re
import time
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.documents import Document
from pi_mjpeg_server.mqtt.command_handler import (
    COMMAND_BURST,
    COMMANDS_PER_SECOND,
    MAX_CONCURRENT_COMMANDS,
    CommandHandler,
)
from pi_mjpeg_server.mqtt.commands import CommandError, parse
from pi_mjpeg_server.mqtt.reconnecting_client import Message
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import Identity

from tests.server.support.scripted_camera import NODE, Script, camera, supervised, until

TOPICS = Topics(NODE)
SET: Document = {"command": "set", "controls": {"brightness": 2}}


class Sender:
    """Sends commands to a handler, and collects the results."""

    def __init__(self, folder: Path, *cameras: Camera) -> None:
        snapshots = SnapshotStore(folder / "snapshots", UrlSigner(lambda: b"k" * 32))
        clips = ClipStore(folder / "clips", UrlSigner(lambda: b"k" * 32))
        stores = ControlStore(folder / "controls.json"), SettingsStore(folder / "settings.json"), clips
        self.server = Server(Identity(NODE, "Pi", None, None, "0.1.0"), list(cameras), snapshots, *stores)
        self.results: list[tuple[str, dict[str, Any]]] = []
        self.sent = 0
        self.handler = CommandHandler(self.server, TOPICS, lambda topic, result: self.results.append((topic, result)))

    def send(self, camera_id: str, command: Document) -> None:
        """Send one command."""
        self.sent += 1
        payload = json.dumps(command).encode()
        self.handler.received(Message(TOPICS.camera(camera_id, "command"), payload, retained=False))

    async def outcome(self) -> Counter[tuple[str, str, str | None]]:
        """Wait for all results, and count them by camera, command and error code."""
        await until(lambda: len(self.results) == self.sent, 20)
        return Counter(
            (topic.split("/")[2], result["command"], (result["error"] or {}).get("code"))
            for topic, result in self.results
        )


@pytest.fixture
async def front() -> AsyncIterator[Camera]:
    script = Script(fps=200)
    async with supervised(front := camera(script)):
        await until(lambda: front.state is CameraState.IDLE and script.frames > 0)
        yield front


@pytest.mark.parametrize(
    "command", [{"command": "restart"}, {"command": "snapshot"}, SET], ids=lambda each: each["command"]
)
async def test_a_flood_of_commands_is_refused_logged_in_few_lines_and_answered(
    front: Camera, tmp_path: Path, caplog: pytest.LogCaptureFixture, command: Document
) -> None:
    sender = Sender(tmp_path, front)
    caplog.set_level("INFO")
    began = time.monotonic()
    for _ in range(3000):
        sender.send("front", command)
    sending = time.monotonic() - began
    outcome = await sender.outcome()
    name = command["command"]
    allowed = 1 if name == "restart" else COMMAND_BURST + int(sending * COMMANDS_PER_SECOND) + 1
    assert 1 <= outcome["front", name, None] <= allowed
    assert outcome["front", name, "busy"] == 3000 - outcome["front", name, None]
    await asyncio.sleep(0.2)
    assert len(caplog.messages) < 15, caplog.messages
    assert sum("over MQTT" in message for message in caplog.messages) == 2


async def test_one_kind_and_one_camera_do_not_use_up_the_limit_of_another(front: Camera, tmp_path: Path) -> None:
    async with supervised(shed := camera(Script(fps=200), "shed")):
        await until(lambda: shed.capture_rate.count > 0)
        sender = Sender(tmp_path, front, shed)
        for _ in range(100):
            sender.send("front", {"command": "snapshot"})
        await sender.outcome()
        sender.send("front", SET)
        sender.send("shed", {"command": "snapshot"})
        outcome = await sender.outcome()
    assert outcome["front", "set", None] == 1
    assert outcome["shed", "snapshot", None] == 1


async def test_commands_that_take_long_do_not_pile_up_whatever_their_kinds_are(
    front: Camera, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sender, end = Sender(tmp_path, front), asyncio.Event()

    async def wait(*_: object) -> None:
        await end.wait()

    monkeypatch.setattr(Server, "take_snapshot", wait)
    monkeypatch.setattr(Server, "adjust", wait)
    for _ in range(COMMAND_BURST):
        sender.send("front", {"command": "snapshot"})
        sender.send("front", SET)
    await until(lambda: len(sender.results) == sender.sent - MAX_CONCURRENT_COMMANDS)
    assert {result["error"]["code"] for _, result in sender.results} == {"busy"}
    end.set()
    outcome = await sender.outcome()
    assert outcome["front", "snapshot", None] + outcome["front", "set", None] == MAX_CONCURRENT_COMMANDS


async def test_commands_are_accepted_again_after_a_while(front: Camera, tmp_path: Path) -> None:
    sender = Sender(tmp_path, front)
    for _ in range(20):
        sender.send("front", {"command": "snapshot"})
    before = (await sender.outcome())["front", "snapshot", None]
    await asyncio.sleep(1.1 / COMMANDS_PER_SECOND)
    sender.send("front", {"command": "snapshot"})
    assert (await sender.outcome())["front", "snapshot", None] == before + 1


async def test_a_flood_over_mqtt_keeps_a_snapshot_that_was_asked_for_over_http(front: Camera, tmp_path: Path) -> None:
    sender = Sender(tmp_path, front)
    kept = await sender.server.take_snapshot(front, "http")
    taken = []
    sender.server.on_snapshot.append(lambda snapshot, _: taken.append(snapshot))
    for _ in range(30):
        for _ in range(100):
            sender.send("front", {"command": "snapshot"})
        await asyncio.sleep(0.05)
    await sender.outcome()
    assert taken
    for snapshot in (kept, *taken):
        file = await sender.server.snapshots.open(snapshot.id, snapshot.path.partition("sig=")[2])
        assert file is not None
        file.close()


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b'{"command": "snapshot", "full": "yes"}', r"expected bool for dictionary value @ data\['full'\]"),
        (b'{"command": "snapshot", "\\u001b": 1}', r"extra keys not allowed @ data\['\\x1b'\]"),
        (b'{"command": "snapshot", "' + b"x" * 900 + b'": 1}', "extra keys not allowed @ data.*"),
        (b"snapshot", "it is not JSON"),
    ],
)
def test_what_is_wrong_with_a_command_is_said_in_printable_characters(payload: bytes, reason: str) -> None:
    with pytest.raises(CommandError) as raised:
        parse(payload)
    said = str(raised.value)
    assert re.fullmatch(reason, said.replace("\\\\", "\\"))
    assert said.isprintable()
