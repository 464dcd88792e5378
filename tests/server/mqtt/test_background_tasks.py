"""Background tasks never fail silently."""

import asyncio
from pathlib import Path

import pytest
from pi_mjpeg_server.config import MqttSettings, ServerSettings
from pi_mjpeg_server.mqtt import bridge as bridge_module
from pi_mjpeg_server.mqtt.background_tasks import BackgroundTasks
from pi_mjpeg_server.mqtt.bridge import Bridge
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.system.identity import Identity

from tests.server.support.scripted_camera import NODE, until


async def test_a_task_of_the_bridge_that_fails_is_logged_with_its_traceback(
    broker: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def measure() -> None:
        raise RuntimeError("no thermometer")

    monkeypatch.setattr(bridge_module, "measure", measure)
    snapshots = SnapshotStore(tmp_path / "snapshots", UrlSigner(lambda: b""))
    clips = ClipStore(tmp_path / "clips", UrlSigner(lambda: b"k" * 32))
    stores = ControlStore(tmp_path / "controls.json"), SettingsStore(tmp_path / "settings.json"), clips
    server = Server(Identity(NODE, "Pi", None, None, "0.1.0"), [], snapshots, *stores)
    settings = MqttSettings(host="127.0.0.1", port=broker)
    bridge = Bridge(server, settings, "127.0.0.1", ServerSettings(state_dir=tmp_path))
    bridge.start()
    try:
        await until(lambda: "the task 'mqtt-publish-all' failed" in caplog.text, 10)
    finally:
        await bridge.stop()
    assert "Traceback" in caplog.text
    assert caplog.text.count("RuntimeError: no thermometer") == 1


async def test_a_new_task_replaces_a_running_one_of_the_same_name(caplog: pytest.LogCaptureFixture) -> None:
    tasks = BackgroundTasks()
    ended = []

    async def run(name: str) -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(name)

    tasks.start("work", run("first"))
    await asyncio.sleep(0)
    tasks.start("work", run("second"))
    await asyncio.sleep(0.01)
    assert ended == ["first"]
    assert tasks.is_running("work")
    await tasks.stop()
    assert ended == ["first", "second"]
    assert not tasks.is_running("work")
    assert caplog.text == ""
