"""The server's documents are exactly those that the contract has recorded, for the same state."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.rate import Rate
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState, CameraStatus
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.documents import (
    camera_state_document,
    clip_document,
    full_snapshot_document,
    motion_document,
    server_state_document,
    snapshot_document,
    state_document,
)
from pi_mjpeg_server.motion.settings import MotionSettings
from pi_mjpeg_server.motion.watch import MotionStatus
from pi_mjpeg_server.mqtt import commands
from pi_mjpeg_server.mqtt.announcement import announcement
from pi_mjpeg_server.mqtt.command_handler import result_document
from pi_mjpeg_server.mqtt.core_discovery_document import core_discovery_document, with_tombstones
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.recording.request import ClipRequest
from pi_mjpeg_server.server import BrokerStatus, LastKept, Server
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.clip import Clip
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import Snapshot, SnapshotStore
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.system.health import Health
from pi_mjpeg_server.system.identity import Identity

from tests.server.support.scripted_camera import NODE, Script

CONTRACT = Path(__file__).parents[1] / "contract"
BASE = "http://192.168.1.20:8000"
UNPLUGGED = "/dev/video0 is not there: unplugged?"


def recorded(name: str) -> Any:  # noqa: ANN401  (JSON)
    return json.loads((CONTRACT / name).read_text())


def at(text: str) -> float:
    return datetime.fromisoformat(text).astimezone(UTC).timestamp()


def kept_snapshot(document: dict[str, Any]) -> Snapshot:
    path = document["url"].removeprefix(BASE)
    size = document["width"], document["height"], document["bytes"]
    return Snapshot(document["id"], "front", path, at("2026-11-22T10:00:00.000Z"), *size)


def kept_clip(document: dict[str, Any]) -> Clip:
    seconds = document["before"], document["after"], document["duration"]
    return Clip(document["id"], "front", "motion", at(document["time"]), *seconds, 453, 41327450, 1280, 720)


def running(fps: float, count: int) -> Rate:
    """Return a rate that has counted so many, at so many a second until now."""
    rate, now = Rate(), time.monotonic()
    for number in range(32):
        rate.tick(now - (31 - number) / fps)
    rate.count = count
    return rate


def make_viewer(
    address: str, agent: str | None, since: str, fps: float, sent: int, dropped: int, width: int | None = None
) -> ViewerStats:
    return ViewerStats(address, agent, at(since), running(fps, sent), dropped, width=width)


@pytest.fixture
async def server(tmp_path: Path) -> Server:
    """The server that the recorded documents are about."""
    front = Camera(CameraSettings("front", "Front door", "picamera2"), Script().source)
    front.source_info = SourceInfo(model="imx708", size=(1280, 720), fps=30)
    front.supervisor.status = CameraStatus(CameraState.LIVE, since=at("2026-11-22T09:59:00.000Z"))
    front.capture_rate, front.capture_drops = running(29.9, 1794), 3
    front.viewers = {
        make_viewer("192.168.1.7", None, "2026-11-22T09:59:30.000Z", 10.0, 300, 0, 640),
        make_viewer("192.168.1.4", "HomeAssistant/2026.11.0 pi_mjpeg", "2026-11-22T09:59:00.000Z", 29.9, 1791, 3),
    }
    front.controls = {"Brightness": Control("Brightness", "number", 0.0, 0.2, -1.0, 1.0)}
    shed = Camera(CameraSettings("shed", "Shed", "v4l2", requested=SourceSettings(fps=15)), Script().source)
    shed.supervisor.status = CameraStatus(
        CameraState.FAILING,
        UNPLUGGED,
        since=at("2026-11-22T09:10:00.000Z"),
        next_try=at("2026-11-22T10:00:04.000Z"),
        restarts=4,
        last_error=UNPLUGGED,
    )
    identity = Identity(NODE, "Garden Pi", "Raspberry Pi Zero 2 W Rev 1.0", "dc:a6:32:00:00:01", "0.1.0")
    broker = BrokerStatus("connected", "192.168.1.2:1883")
    store = SnapshotStore(tmp_path, UrlSigner(lambda: b"k" * 32))
    clips = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32))
    stores = ControlStore(tmp_path / "controls.json"), SettingsStore(tmp_path / "settings.json"), clips
    token = AccessToken(tmp_path / "token")
    view_tokens = ViewTokens(tmp_path / "view_tokens.json", lambda: b"key")
    view_tokens.make("front")
    server = Server(identity, [front, shed], store, *stores, broker, at("2026-11-22T09:00:00.000Z"), token, view_tokens)
    server.motion["front"].settings = MotionSettings(
        enabled=True,
        sensitivity=60,
        watch=((0.0, 0.2, 1.0, 0.8),),
        ignore=((0.0, 0.2, 0.1, 0.3), (0.9, 0.2, 0.1, 0.3)),
    )
    began = at("2026-11-22T09:59:58.000Z")
    server.motion["front"].status = MotionStatus(
        motion=True, since=began, area=0.05119, box=(0.25, 0.4, 0.125, 0.50001)
    )
    server.motion["shed"].status = MotionStatus(since=at("2026-11-22T09:00:00.000Z"))
    server.problems["duplicate_id"] = f"another server has the id {NODE} too"
    server.instance = "9f86d081884c7d65"
    return server


async def test_api_state(server: Server) -> None:
    expected = recorded("api_state.json")
    kept = {"front": LastKept(kept_snapshot(recorded("snapshot.json")), kept_clip(recorded("clip.json")))}
    assert state_document(server, BASE, Health(48.3), kept) == expected


async def test_a_camera_that_is_off_has_no_error_and_is_not_available(server: Server) -> None:
    shed = server.cameras[1]
    shed.disable()
    (document,) = (each for each in state_document(server, BASE, Health(48.3), {})["cameras"] if each["id"] == "shed")
    for each in (document, camera_state_document(shed)):
        assert (each["enabled"], each["state"]) == (False, "off")
        assert each["reason"] is None
        assert each["last_error"] is None
    assert document["available"] is False
    assert document["next_try"] is None


async def test_announcement(server: Server) -> None:
    document = announcement(server, Topics(NODE), [BASE, "http://[fd00::20]:8000", "http://10.8.0.2:8000"])
    assert document == recorded("announcement.json")
    assert len(json.dumps(document)) < 4096


async def test_server_state(server: Server) -> None:
    assert server_state_document(server, Health(48.3, ("under_voltage",))) == recorded("server_state.json")


async def test_camera_state(server: Server) -> None:
    front = server.cameras[0]
    front.capture_rate = Rate()
    reason = "No camera number 0 found"
    since = at("2026-11-22T10:00:00.000Z")
    front.supervisor.status = CameraStatus(CameraState.FAILING, reason, since, restarts=1, last_error=reason)
    assert camera_state_document(front) == recorded("camera_state.json")


async def test_motion(server: Server) -> None:
    watch = server.motion["front"]
    error = "nothing can be detected: no thread is left"
    watch.status = MotionStatus(since=at("2026-11-22T10:00:00.000Z"), error=error)
    assert motion_document(watch) == recorded("motion.json")


def test_snapshot() -> None:
    expected = recorded("snapshot.json")
    kept = kept_snapshot(expected)
    assert {"schema": 1, **snapshot_document(kept, BASE), "trigger": "mqtt"} == expected


def test_full_snapshot() -> None:
    expected = recorded("full_snapshot.json")
    assert full_snapshot_document(kept_snapshot(expected), 0.41249, BASE) == expected


async def test_clip(server: Server) -> None:
    expected = recorded("clip.json")
    assert {"schema": 1, **clip_document(server, kept_clip(expected), BASE)} == expected


def test_command() -> None:
    assert commands.parse((CONTRACT / "command.json").read_bytes()) == commands.Command("snapshot", "button 1")
    assert commands.parse((CONTRACT / "command_disable.json").read_bytes()) == commands.Command("disable", "switch 2")
    assert commands.parse(b'{"command": "enable"}') == commands.Command("enable")
    command = commands.parse((CONTRACT / "command_set.json").read_bytes())
    assert command == commands.Command("set", None, {"Brightness": 0.2})
    command = commands.parse((CONTRACT / "command_clip.json").read_bytes())
    assert command == commands.Command("clip", clip=ClipRequest(5, 10))
    assert commands.parse(b'{"command": "clip"}') == commands.Command("clip", clip=ClipRequest(None, 10))
    command = commands.parse((CONTRACT / "command_set_motion.json").read_bytes())
    assert command == commands.Command("set", motion={"enabled": True, "sensitivity": 60})


def test_result() -> None:
    command = commands.Command("set", "slider 3", {"Brightness": 2})
    wrong = "bad_control", "Brightness has to be a number from -1 to 1"
    assert result_document(command, wrong, at("2026-11-22T10:00:00.000Z")) == recorded("result.json")


def test_result_of_a_full_snapshot() -> None:
    command = commands.parse((CONTRACT / "command_snapshot_full.json").read_bytes())
    assert command == commands.Command("snapshot", "button 1", full=True)
    assert result_document(command, None, at("2026-11-22T10:00:00.000Z"), 0.41249) == recorded(
        "result_snapshot_full.json"
    )


@pytest.mark.parametrize(
    "hostile",
    [
        b"",
        b"snapshot",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"command": 1}',
        b'{"command": "format"}',
        b'{"command": "snapshot", "more": 1}',
        b'{"command": ["snapshot"]}',
        b'{"command": "snapshot", "id": 7}',
        b'{"command": "snapshot", "controls": {"Brightness": 1}}',
        b'{"command": "disable", "controls": {"Brightness": 1}}',
        b'{"command": "enable", "enabled": true}',
        b'{"command": "clip", "before": -1}',
        b'{"command": "clip", "after": "5"}',
        b'{"command": "clip", "after": NaN}',
        b'{"command": "clip", "seconds": 5}',
        b'{"command": "snapshot", "before": 5}',
        b'{"command": "set"}',
        b'{"command": "set", "controls": {}}',
        b'{"command": "set", "controls": ["Brightness"]}',
        b'{"command": "set", "motion": {}}',
        b'{"command": "set", "motion": true}',
        b'{"command": "set", "motion": {"enabled": true}, "controls": {"Brightness": 1}}',
        b'{"command": "snapshot", "motion": {"enabled": true}}',
        b"[" * 4000,
        b'{"command": "snapshot"}' + b" " * 5000,
    ],
)
def test_what_is_no_command_is_refused(hostile: bytes) -> None:
    with pytest.raises(commands.CommandError):
        commands.parse(hostile)


async def test_core_discovery(server: Server) -> None:
    document = core_discovery_document(server, Topics(NODE), BASE)
    assert document == recorded("core_discovery.json")
    # Two cameras; the smallest brokers take messages of 10 kB.
    assert len(json.dumps(document, separators=(",", ":"))) < 10_000


async def test_core_discovery_of_one_camera_does_not_repeat_its_name(server: Server) -> None:
    server.cameras = server.cameras[:1]
    document = core_discovery_document(server, Topics(NODE), BASE)
    assert document["components"]["front_take_snapshot"]["name"] == "Take snapshot"


async def test_a_component_that_is_gone_leaves_only_its_platform(server: Server) -> None:
    document = core_discovery_document(server, Topics(NODE), BASE)
    earlier = {"attic_snapshot": "image", "front_snapshot": "image"}
    with_gone = with_tombstones(document, earlier)["components"]
    assert with_gone == {**document["components"], "attic_snapshot": {"platform": "image"}}


def test_only_a_command_topic_names_a_camera() -> None:
    topics = Topics(NODE)
    assert topics.commanded_camera(f"pi_mjpeg/{NODE}/front/command") == "front"
    assert topics.commanded_camera(f"pi_mjpeg/{NODE}/front/state") is None
    assert topics.commanded_camera("pi_mjpeg/other/front/command") is None
