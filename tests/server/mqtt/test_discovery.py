"""What a server says of itself: where it is, in which order, and to whom."""

import json
import time

import pytest

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import CLAIM, MakeServer, announced, core_document, core_topic, fetched
from tests.server.support.scripted_camera import level_of


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
        f"pi_mjpeg/{announcement['id']}/state",
        camera["state_topic"],
        camera["availability_topic"],
    ):
        assert topics.index(earlier) < online


def test_the_announced_urls_can_be_fetched(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    level_of(fetched(announced(listener)["cameras"][0]["snapshot_url"]))


def test_a_claim_takes_the_core_document_back_and_its_end_brings_it_again(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    node = announced(listener)["id"]
    core_document(listener, node)
    listener.say(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_topic(node) not in heard.retained)
    listener.say(f"pi_mjpeg/{node}/claimed", "", retain=True)
    core_document(listener, node)


def test_a_server_that_finds_itself_claimed_never_says_the_core_document(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server("--mqtt-discovery", "integration")
    node = announced(listener)["id"]
    first.stop()
    listener.say(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.said.clear()
    make_server()
    announced(listener)
    # It would be due a second after `online`.
    time.sleep(2)
    assert core_topic(node) not in {topic for topic, _ in listener.said}


def test_a_server_that_was_claimed_waits_for_the_claim_to_come_again(
    make_server: MakeServer, listener: Listener
) -> None:
    """A broker that lost all it held is found sooner by the server than by Home Assistant."""
    first = make_server()
    node = announced(listener)["id"]
    core_document(listener, node)
    listener.say(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_topic(node) not in heard.retained)
    first.stop()
    listener.say(f"pi_mjpeg/{node}/claimed", "", retain=True)
    listener.said.clear()
    make_server()
    announced(listener)
    time.sleep(2)
    assert core_topic(node) not in {topic for topic, _ in listener.said}


def test_a_core_document_of_a_forgotten_installation_is_taken_back_from_a_claimed_server(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server("--mqtt-discovery", "integration")
    node = announced(listener)["id"]
    first.stop()
    listener.say(core_topic(node), '{"of": "an installation whose state is lost"}', retain=True)
    listener.say(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    make_server()
    listener.wait(lambda heard: core_topic(node) not in heard.retained)


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
    listener.wait(lambda heard: "online" in heard.retained.values())
    time.sleep(2)
    found = {"/".join(topic.split("/")[:2]) for topic, payload in listener.said if payload}
    assert found & {"homeassistant/device", "pi_mjpeg/discovery"} == published


def test_home_assistants_birth_has_everything_said_again_once(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    announcement = announced(listener)
    core_document(listener, announcement["id"])
    listener.said.clear()
    for _ in range(20):
        listener.say("homeassistant/status", "online")
    again = {f"pi_mjpeg/discovery/{announcement['id']}/config", core_topic(announcement["id"])}
    listener.wait(lambda heard: again <= {topic for topic, _ in heard.said}, 20)
    time.sleep(1)
    assert all(sum(topic == said for said, _ in listener.said) == 1 for topic in again)
