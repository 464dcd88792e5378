"""Two servers with one id, as after a copied SD card: both say so, and they correct each other less and less often."""

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from tooling.network import free_ports

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, fetch, wait_for_announcement

QUIET = ("--zeroconf", "false")
"""Without multicast DNS, which finds the twin, too, on the same machine."""


def problems(port: int) -> list[dict[str, str]]:
    """Return the problems that a server shows."""
    found: list[dict[str, str]] = json.loads(fetch(f"http://127.0.0.1:{port}/api/state"))["server"]["problems"]
    return found


def wait_for_problem(port: int, seconds: float = 40) -> dict[str, str]:
    """Wait until a server shows one problem, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := problems(port)):
        assert time.monotonic() < deadline, "the server has found no problem"
        time.sleep(0.1)
    assert len(found) == 1
    return found[0]


def announced_at(listener: Listener, topic: str) -> list[Any]:
    return [json.loads(payload)["base_url"] for each, payload in listener.live_messages if each == topic and payload]


def test_twins_are_told_to_both_and_correct_each_other_ever_less_often(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    first, second = free_ports(0, 0)
    one = make_server(*QUIET, "--port", str(first))
    node = wait_for_announcement(listener)["id"]
    topic = f"pi_mjpeg/discovery/{node}/config"
    shutil.copytree(tmp_path / "state", tmp_path / "clone")
    make_server(*QUIET, "--port", str(second), "--state-dir", str(tmp_path / "clone"))
    for port, twin in ((first, second), (second, first)):
        problem = wait_for_problem(port)
        assert problem["code"] == "duplicate_id"
        assert f"http://127.0.0.1:{twin}" in problem["message"]
        assert "pi-mjpeg new-id" in problem["message"]
    time.sleep(20)
    before = len(announced_at(listener, topic))
    time.sleep(12)
    assert len(announced_at(listener, topic)) - before <= 3
    # When one stops, the other one is there alone.
    one.stop()
    listener.wait(lambda heard: json.loads(heard.retained[topic])["base_url"].endswith(f":{second}"), 70)
    listener.wait_for_retained(f"pi_mjpeg/{node}/availability", "online", 70)
    assert problems(second) == []


def test_nobody_silences_a_server_by_announcements_in_its_name(make_server: MakeServer, listener: Listener) -> None:
    port = free_ports(0)[0]
    make_server(*QUIET, "--port", str(port))
    announcement = wait_for_announcement(listener)
    topic = f"pi_mjpeg/discovery/{announcement['id']}/config"
    foreign = announcement | {"instance": "0" * 16, "started_at": "2020-01-01T00:00:00.000Z"}
    for _ in range(3):
        listener.publish(topic, json.dumps(foreign), retain=True)
    camera = announcement["cameras"][0]
    listener.publish(camera["command_topic"], json.dumps({"command": "disable", "id": "off"}))
    listener.wait(lambda heard: any('"off"' in payload for _, payload in heard.live_messages if "disable" in payload))
    listener.wait(lambda heard: announcement["instance"] in heard.retained.get(topic, ""), 30)
    assert json.loads(fetch(f"http://127.0.0.1:{port}/api/state"))["cameras"][0]["enabled"] is False


def test_an_announcement_that_somebody_clears_or_spoils_is_restored_and_is_no_twin(
    make_server: MakeServer, listener: Listener
) -> None:
    port = free_ports(0)[0]
    make_server("--port", str(port))
    announcement = wait_for_announcement(listener)
    topic = f"pi_mjpeg/discovery/{announcement['id']}/config"
    other = announcement | {"instance": "0" * 16, "started_at": "2020-01-01T00:00:00.000Z"}
    old = {key: value for key, value in announcement.items() if key not in {"instance", "started_at"}}
    for spoiled in ("", "{", "[1]", '{"id": "another"}', json.dumps(other), json.dumps(old)):
        listener.publish(topic, spoiled, retain=True)
        if spoiled:
            listener.wait_for_retained(topic, spoiled)
        listener.wait(lambda heard: announcement["instance"] in heard.retained.get(topic, ""), 70)
    assert problems(port) == []


def test_a_restart_is_no_twin(make_server: MakeServer, listener: Listener) -> None:
    port = free_ports(0)[0]
    make_server("--port", str(port)).kill()
    wait_for = make_server("--port", str(port))
    wait_for_announcement(listener)
    time.sleep(2)
    assert problems(port) == []
    wait_for.stop()


def test_a_new_id_ends_it_and_leaves_the_other_one_alone(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    first, second = free_ports(0, 0)
    make_server(*QUIET, "--port", str(first))
    node = wait_for_announcement(listener)["id"]
    shutil.copytree(tmp_path / "state", tmp_path / "clone")
    state = ("--state-dir", str(tmp_path / "clone"))
    make_server(*QUIET, "--port", str(second), *state).stop()
    listener.wait_for_retained(f"pi_mjpeg/{node}/availability", "online")
    command = [sys.executable, "-m", "pi_mjpeg_server", "new-id", *state]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)  # noqa: S603
    assert "restart the server" in done.stdout
    make_server(*QUIET, "--port", str(second), *state)
    listener.wait(lambda heard: sum(topic.startswith("pi_mjpeg/discovery/") for topic in heard.retained) == 2, 15)
    time.sleep(3)
    assert listener.retained[f"pi_mjpeg/{node}/availability"] == "online"
    assert problems(second) == []
