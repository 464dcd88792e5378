"""The service, the rights of the user, the state folder, the port and the broker."""

import asyncio
import contextlib
import grp
import os
import socket
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from pi_mjpeg_server.config import MqttSettings, ServerSettings, load
from pi_mjpeg_server.selftest import broker, installation
from pi_mjpeg_server.selftest.report import Finding, Outcome
from tooling.broker import make_broker
from tooling.network import answers, free_ports

from tests.server.support.scripted_camera import Script, camera, serving

SYSTEMCTL = """#!/bin/sh
case "$1" in
is-enabled) {enabled};;
is-active) {active};;
esac
"""


@pytest.mark.parametrize(
    ("enabled", "active", "outcome", "is_running"),
    [
        ("echo enabled", "echo active", Outcome.PASSED, True),
        ("echo enabled", "echo activating", Outcome.PASSED, True),
        ("echo disabled; exit 1", "echo inactive; exit 3", Outcome.PASSED, False),
        ("echo enabled", "echo failed; exit 3", Outcome.FAILED, False),
        ("echo not-found; exit 4", "echo inactive; exit 3", Outcome.ABSENT, False),
        ("exit 1", "exit 1", Outcome.ABSENT, False),
        ("exec sleep 60", "exec sleep 60", Outcome.ABSENT, False),
    ],
)
def test_the_service(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, enabled: str, active: str, outcome: Outcome, *, is_running: bool
) -> None:
    (program := tmp_path / "systemctl").write_text(SYSTEMCTL.format(enabled=enabled, active=active))
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/bin:/usr/bin")
    monkeypatch.setattr(installation, "_TIMEOUT", 0.5)
    finding, running = installation.service()
    assert (finding.outcome, running) == (outcome, is_running)


def test_a_system_without_systemd(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert installation.service()[0].outcome is Outcome.ABSENT


def test_devices_that_the_user_may_not_use_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert installation.devices(tmp_path).outcome is Outcome.ABSENT
    for name in ("video0", "video1", "media0", "dma_heap/system"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    finding = installation.devices(tmp_path)
    assert finding.outcome is Outcome.PASSED
    assert finding.text == "2 video*, 1 media*, 1 dma_heap/*"
    monkeypatch.setattr(os, "access", lambda path, _: path.name not in {"video1", "system"})
    finding = installation.devices(tmp_path)
    assert finding.outcome is Outcome.FAILED
    assert "may not use video1, dma_heap/system: `sudo usermod -aG video" in finding.text


def test_the_groups_of_the_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    monkeypatch.setattr(os, "getgroups", lambda: [0, 4_000_000])
    assert installation.groups().outcome is Outcome.ABSENT
    monkeypatch.setattr(grp, "getgrgid", lambda _: type("Group", (), {"gr_name": "video"}))
    assert installation.groups().text == "video"


def state(folder: Path) -> Finding:
    return installation.state_folder(ServerSettings(state_dir=folder))


def test_a_state_folder_that_is_there_or_can_be_made(tmp_path: Path) -> None:
    assert "can be written" in state(tmp_path).text
    assert list(tmp_path.iterdir()) == []
    finding = state(tmp_path / "a/b")
    assert finding.outcome is Outcome.PASSED
    assert "can be made" in finding.text
    assert not (tmp_path / "a").exists()


def test_a_state_folder_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    assert state(tmp_path / "file").outcome is Outcome.FAILED
    assert state(tmp_path / "file/state").outcome is Outcome.FAILED
    # Not even root makes files there.
    finding = state(Path("/proc"))
    assert finding.outcome is Outcome.FAILED
    assert "cannot be written" in finding.text
    monkeypatch.setattr(os, "access", lambda *_: False)
    assert "cannot be made" in state(tmp_path / "state").text


@contextlib.contextmanager
def listening(answer: bytes | None) -> Iterator[int]:
    """Listen on a port with another program, which answers each request so, or never."""
    listener = socket.create_server(("127.0.0.1", 0))
    connections: list[socket.socket] = []

    def serve() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                if answer is not None and connection.recv(4096):
                    connection.sendall(answer)
                    connection.close()

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    for each in connections:
        each.close()


def port(number: int) -> tuple[Outcome, bool]:
    finding, is_ours = installation.port(ServerSettings(host="127.0.0.1", port=number))
    return finding.outcome, is_ours


@pytest.mark.parametrize(
    "answer",
    [
        None,
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{'status':'ok'}",
        b'HTTP/1.1 200 OK\r\nContent-Length: 15\r\n\r\n{"status":"ok"}',
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\n[[1]]",
        b"HTTP/1.1 404 Not Found\r\nContent-Length: 3\r\n\r\nno!",
    ],
)
def test_a_port_that_another_program_has(monkeypatch: pytest.MonkeyPatch, answer: bytes | None) -> None:
    monkeypatch.setattr(installation, "_TIMEOUT", 0.5)
    with listening(answer) as number:
        assert port(number) == (Outcome.FAILED, False)


def test_a_port_that_is_free() -> None:
    assert port(free_ports(0)[0]) == (Outcome.PASSED, False)
    finding, _ = installation.port(ServerSettings(host="192.0.2.1", port=80))
    assert finding.outcome is Outcome.FAILED


@pytest.mark.parametrize("needs_token", [False, True])
async def test_a_port_that_our_own_server_has(tmp_path: Path, *, needs_token: bool) -> None:
    async with serving(tmp_path, [camera(Script())], needs_token=needs_token) as served:
        number = int(served.url.rpartition(":")[2])
        assert await asyncio.to_thread(port, number) == (Outcome.PASSED, True)


def connect(settings: MqttSettings) -> Finding:
    return broker.broker(replace(load(None, {}, {}), mqtt=settings))


def test_a_broker_that_takes_the_connection(tmp_path: Path) -> None:
    program = make_broker(tmp_path, number := free_ports(0)[0])
    program.start()
    try:
        asyncio.run(program.wait_until(lambda: answers("127.0.0.1", number), 10))
        finding = connect(MqttSettings(host="127.0.0.1", port=number))
    finally:
        program.stop()
    assert finding.outcome is Outcome.PASSED
    assert finding.text.startswith("connected in 0.")


def test_a_broker_that_does_not(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker, "_TIMEOUT", 0.5)
    assert connect(MqttSettings()).outcome is Outcome.ABSENT
    refused = connect(MqttSettings(host="127.0.0.1", port=free_ports(0)[0]))
    assert refused.outcome is Outcome.FAILED
    assert "nothing listens there" in refused.text
    with listening(None) as number:
        assert connect(MqttSettings(host="127.0.0.1", port=number)).outcome is Outcome.FAILED
    missing = MqttSettings(host="127.0.0.1", username="me", password_file=tmp_path / "none")
    assert "a file cannot be used" in connect(missing).text
