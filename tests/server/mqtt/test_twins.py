"""Two servers with one id, as after a copied SD card: both say so, one of them yields, and nothing goes on for ever."""

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


def wait_for_problem(port: int, seconds: float = 20) -> dict[str, str]:
    """Wait until a server shows one problem, and return it."""
    deadline = time.monotonic() + seconds
    while not (found := problems(port)):
        assert time.monotonic() < deadline, "the server has found no problem"
        time.sleep(0.1)
    assert len(found) == 1
    return found[0]


def announced_at(listener: Listener, topic: str) -> list[Any]:
    return [json.loads(payload)["base_url"] for each, payload in listener.live_messages if each == topic and payload]


def test_twins_are_told_to_both_and_the_later_one_yields(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    first, second = free_ports(0, 0)
    make_server(*QUIET, "--port", str(first))
    node = wait_for_announcement(listener)["id"]
    topic = f"pi_mjpeg/discovery/{node}/config"
    shutil.copytree(tmp_path / "state", tmp_path / "clone")
    other = make_server(*QUIET, "--port", str(second), "--state-dir", str(tmp_path / "clone"))
    for port, twin in ((first, second), (second, first)):
        problem = wait_for_problem(port)
        assert problem["code"] == "duplicate_id"
        assert f"http://127.0.0.1:{twin}" in problem["message"]
        assert "pi-mjpeg new-id" in problem["message"]
    listener.wait(lambda heard: json.loads(heard.retained[topic])["base_url"].endswith(f":{first}"), 15)
    before = len(listener.live_messages)
    time.sleep(12)
    assert [each for each, _ in listener.live_messages[before:] if "discovery" in each] == []
    assert json.loads(listener.retained[topic])["base_url"].endswith(f":{first}")
    assert listener.retained[f"pi_mjpeg/{node}/availability"] == "online"
    # The one that yielded stops: the other one stays online.
    other.stop()
    time.sleep(3)
    assert listener.retained[f"pi_mjpeg/{node}/availability"] == "online"
    assert json.loads(listener.retained[topic])["base_url"].endswith(f":{first}")


def test_the_one_that_yielded_takes_over_when_the_other_is_gone(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    first, second = free_ports(0, 0)
    one = make_server(*QUIET, "--port", str(first))
    node = wait_for_announcement(listener)["id"]
    shutil.copytree(tmp_path / "state", tmp_path / "clone")
    make_server(*QUIET, "--port", str(second), "--state-dir", str(tmp_path / "clone"))
    wait_for_problem(first)
    wait_for_problem(second)
    one.stop()
    topic = f"pi_mjpeg/discovery/{node}/config"
    listener.wait(lambda heard: json.loads(heard.retained[topic])["base_url"].endswith(f":{second}"), 15)
    listener.wait_for_retained(f"pi_mjpeg/{node}/availability", "online")
    assert problems(second) == []


def test_an_announcement_that_somebody_clears_or_spoils_is_restored_and_is_no_twin(
    make_server: MakeServer, listener: Listener
) -> None:
    port = free_ports(0)[0]
    make_server("--port", str(port))
    announcement = wait_for_announcement(listener)
    topic = f"pi_mjpeg/discovery/{announcement['id']}/config"
    for spoiled in ("", "{", "[1]", '{"id": "another"}'):
        listener.publish(topic, spoiled, retain=True)
        listener.wait(lambda heard: announcement["instance"] in heard.retained.get(topic, ""), 15)
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
