"""What the house learns, from a real server process by a real Mosquitto."""

import asyncio
import json
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from workbench.broker import make_broker
from workbench.network import answers, free_ports
from workbench.processes import Program

from tests.server.broker import Listener
from tests.server.scripted import level_of

MakeServer = Callable[..., Program]


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    port = free_ports(0)[0]
    program = make_broker(tmp_path_factory.mktemp("broker"), port)
    program.start()
    asyncio.run(program.wait_until(lambda: answers("127.0.0.1", port), 10))
    yield port
    program.stop()


@pytest.fixture
def listener(broker: int) -> Iterator[Listener]:
    listening = Listener(broker)
    yield listening
    for topic in list(listening.retained):
        listening.say(topic, "", retain=True)
    listening.close()


@pytest.fixture
def make_server(tmp_path: Path, broker: int) -> Iterator[MakeServer]:
    """Start server processes; each call starts one."""
    programs: list[Program] = []

    def make(*arguments: str, mqtt_port: int = broker) -> Program:
        command = [sys.executable, "-m", "pi_mjpeg_server", "run", "--source", "emulated", "--size", "320x240"]
        command += ["--host", "127.0.0.1", "--port", str(free_ports(0)[0]), "--state-dir", str(tmp_path / "state")]
        command += ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(mqtt_port), *arguments]
        program = Program("pi-mjpeg", command, tmp_path / f"server-{len(programs)}.log")
        program.start()
        programs.append(program)
        return program

    yield make
    for program in programs:
        program.stop()


def announced(listener: Listener) -> dict[str, Any]:
    """Wait for a server to be online and return its announcement."""
    listener.wait(lambda heard: any(topic.startswith("pi_mjpeg/discovery/") for topic in heard.retained))
    topic = next(topic for topic in listener.retained if topic.startswith("pi_mjpeg/discovery/"))
    announcement: dict[str, Any] = json.loads(listener.retained[topic])
    listener.wait_for(announcement["availability_topic"], "online")
    return announcement


def core_topic(node: str) -> str:
    return f"homeassistant/device/pi_mjpeg_{node}/config"


def test_everything_is_said_and_online_comes_last(make_server: MakeServer, listener: Listener) -> None:
    make_server("--name", "Garden Pi")
    announcement = announced(listener)
    camera = announcement["cameras"][0]
    assert announcement["name"] == "Garden Pi"
    listener.wait(lambda heard: json.loads(heard.retained[camera["state_topic"]])["state"] == "idle")
    assert listener.retained[camera["availability_topic"]] == "online"
    listener.wait(lambda heard: core_topic(announcement["id"]) in heard.retained)
    topics = [topic for topic, _ in listener.said]
    online = topics.index(announcement["availability_topic"])
    for earlier in (
        f"pi_mjpeg/discovery/{announcement['id']}/config",
        camera["state_topic"],
        camera["availability_topic"],
    ):
        assert topics.index(earlier) < online


def test_the_announced_urls_can_be_fetched(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    camera = announced(listener)["cameras"][0]
    with urllib.request.urlopen(camera["snapshot_url"], timeout=10) as response:  # noqa: S310  (our own server's http)
        level_of(response.read())


def test_a_killed_server_is_offline_within_two_seconds_and_online_again_after_a_start(
    make_server: MakeServer, listener: Listener
) -> None:
    server = make_server()
    availability = announced(listener)["availability_topic"]
    server.kill()
    assert listener.wait_for(availability, "offline") < 2
    make_server()
    listener.wait_for(availability, "online")


def test_a_clean_stop_says_offline_itself(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    availability = announced(listener)["availability_topic"]
    server.stop()
    assert listener.wait_for(availability, "offline") < 0.5


def test_a_pressed_button_takes_a_snapshot_that_can_be_fetched(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    announcement = announced(listener)
    listener.wait(lambda heard: core_topic(announcement["id"]) in heard.retained)
    core = json.loads(listener.retained[core_topic(announcement["id"])])
    button = next(part for part in core["components"].values() if part["platform"] == "button")
    image = next(part for part in core["components"].values() if part["platform"] == "image")
    listener.say(button["command_topic"], button["payload_press"])
    listener.wait(lambda heard: image["url_topic"] in heard.retained)
    snapshot = json.loads(listener.retained[image["url_topic"]])
    assert snapshot["trigger"] == "mqtt"
    with urllib.request.urlopen(snapshot["url"], timeout=10) as response:  # noqa: S310  (our own server's http)
        body = response.read()
    assert len(body) == snapshot["bytes"]
    level_of(body)


def test_a_claim_takes_the_core_document_back_and_its_end_brings_it_again(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    node = announced(listener)["id"]
    listener.wait(lambda heard: core_topic(node) in heard.retained)
    listener.say(f"pi_mjpeg/{node}/claimed", '{"schema": 1, "by": "homeassistant"}', retain=True)
    listener.wait(lambda heard: core_topic(node) not in heard.retained)
    listener.say(f"pi_mjpeg/{node}/claimed", "", retain=True)
    listener.wait(lambda heard: core_topic(node) in heard.retained)


def test_a_server_that_finds_itself_claimed_never_publishes_the_core_document(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server("--mqtt-discovery", "integration")
    node = announced(listener)["id"]
    first.stop()
    listener.say(f"pi_mjpeg/{node}/claimed", '{"schema": 1, "by": "homeassistant"}', retain=True)
    listener.said.clear()
    make_server()
    announced(listener)
    # The core document is due a second after `online`.
    listener.wait(lambda heard: (core_topic(node), "") in heard.said)
    assert not any(topic == core_topic(node) and payload for topic, payload in listener.said)


@pytest.mark.parametrize(
    ("discovery", "published"),
    [
        ("core", {"homeassistant/device"}),
        ("integration", {"pi_mjpeg/discovery"}),
        ("both", {"homeassistant/device", "pi_mjpeg/discovery"}),
    ],
)
def test_discovery_can_be_one_the_other_or_both(
    make_server: MakeServer, listener: Listener, discovery: str, published: set[str]
) -> None:
    make_server("--mqtt-discovery", discovery)
    # What is not wanted is taken back, so that the core document's topic is spoken of in any case, and last.
    listener.wait(lambda heard: any(topic.startswith("homeassistant/device/") for topic, _ in heard.said))
    found = {"/".join(topic.split("/")[:2]) for topic in listener.retained}
    assert found & {"homeassistant/device", "pi_mjpeg/discovery"} == published


def test_home_assistants_birth_has_everything_said_again(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    announcement = announced(listener)
    listener.wait(lambda heard: core_topic(announcement["id"]) in heard.retained)
    listener.said.clear()
    listener.say("homeassistant/status", "online")
    again = {f"pi_mjpeg/discovery/{announcement['id']}/config", core_topic(announcement["id"])}
    listener.wait(lambda heard: again <= {topic for topic, _ in heard.said}, 15)


@pytest.mark.parametrize(
    "hostile", ["", "snapshot", "[" * 3000, '{"command": "snapshot", "x": 1}', '{"command": null}']
)
def test_a_hostile_command_changes_nothing(make_server: MakeServer, listener: Listener, hostile: str) -> None:
    server = make_server()
    camera = announced(listener)["cameras"][0]
    listener.say(camera["command_topic"], hostile)
    listener.say(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    assert sum(topic == camera["snapshot_topic"] for topic, _ in listener.said) == 1
    assert server.running
    assert "Traceback" not in server.log.read_text()


def test_a_retained_command_is_ignored(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    camera = announced(listener)["cameras"][0]
    first.stop()
    listener.say(camera["command_topic"], '{"command": "snapshot"}', retain=True)
    listener.said.clear()
    make_server()
    announced(listener)
    listener.say(camera["command_topic"], '{"command": "snapshot"}')
    listener.wait(lambda heard: any(topic == camera["snapshot_topic"] for topic, _ in heard.said))
    # Both would be taken at the same time; the second one would have come by now.
    time.sleep(0.5)
    assert sum(topic == camera["snapshot_topic"] for topic, _ in listener.said) == 1


def test_without_a_broker_it_serves_all_the_same(make_server: MakeServer, tmp_path: Path) -> None:
    port, nobody = free_ports(0, 0)
    server = make_server("--port", str(port), mqtt_port=nobody)
    asyncio.run(server.wait_until(lambda: answers("127.0.0.1", port), 10))
    asyncio.run(server.wait_until(lambda: "cannot be reached" in server.log.read_text(), 10))
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/snapshot.jpg", timeout=10) as response:
        level_of(response.read())
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/state", timeout=10) as response:
        mqtt = json.load(response)["server"]["mqtt"]
    assert mqtt == {"state": "connecting", "broker": f"127.0.0.1:{nobody}", "error": "the broker cannot be reached"}
    server.stop()
    assert server.log.read_text().count("cannot be reached") == 1
    assert not (tmp_path / "server-1.log").exists()
