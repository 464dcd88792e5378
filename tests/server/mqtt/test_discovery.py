"""The announcement and the core discovery document: content, order, and when each is published."""

import json
import time

import pytest

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import (
    CLAIM,
    MakeServer,
    core_discovery_topic,
    fetch,
    wait_for_announcement,
    wait_for_core_discovery,
)
from tests.server.support.scripted_camera import level_of


def test_everything_is_published_and_online_comes_last(make_server: MakeServer, listener: Listener) -> None:
    make_server("--name", "Garden Pi")
    announcement = wait_for_announcement(listener)
    camera = announcement["cameras"][0]
    assert announcement["name"] == "Garden Pi"
    listener.wait(lambda heard: json.loads(heard.retained[camera["state_topic"]])["state"] == "idle")
    assert listener.retained[camera["availability_topic"]] == "online"
    listener.wait(lambda heard: core_discovery_topic(announcement["id"]) in heard.retained)
    topics = [topic for topic, _ in listener.messages]
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
    level_of(fetch(wait_for_announcement(listener)["cameras"][0]["snapshot_url"]))


def test_a_claim_clears_the_core_discovery_and_its_end_publishes_it_again(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    node = wait_for_announcement(listener)["id"]
    wait_for_core_discovery(listener, node)
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained)
    listener.publish(f"pi_mjpeg/{node}/claimed", "", retain=True)
    wait_for_core_discovery(listener, node)


def test_a_server_that_is_claimed_from_the_start_never_publishes_the_core_discovery(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server("--mqtt-discovery", "integration")
    node = wait_for_announcement(listener)["id"]
    first.stop()
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.messages.clear()
    make_server()
    wait_for_announcement(listener)
    # It would be published a second after `online`.
    time.sleep(2)
    assert core_discovery_topic(node) not in {topic for topic, _ in listener.messages}


def test_a_server_that_was_claimed_waits_for_the_claim_to_return(make_server: MakeServer, listener: Listener) -> None:
    """After a broker has lost its retained messages, the server reconnects sooner than Home Assistant."""
    first = make_server()
    node = wait_for_announcement(listener)["id"]
    wait_for_core_discovery(listener, node)
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained)
    first.stop()
    listener.publish(f"pi_mjpeg/{node}/claimed", "", retain=True)
    listener.messages.clear()
    make_server()
    wait_for_announcement(listener)
    time.sleep(2)
    assert core_discovery_topic(node) not in {topic for topic, _ in listener.messages}


def test_a_claimed_server_clears_the_core_discovery_of_an_installation_whose_state_is_lost(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server("--mqtt-discovery", "integration")
    node = wait_for_announcement(listener)["id"]
    first.stop()
    listener.publish(core_discovery_topic(node), '{"of": "an installation whose state is lost"}', retain=True)
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    make_server()
    listener.wait(lambda heard: core_discovery_topic(node) not in heard.retained)


@pytest.mark.parametrize(
    ("discovery", "published"),
    [
        ("core", {"homeassistant/device"}),
        ("integration", {"pi_mjpeg/discovery"}),
        ("both", {"homeassistant/device", "pi_mjpeg/discovery"}),
    ],
)
def test_the_discovery_setting_chooses_what_is_published(
    make_server: MakeServer, listener: Listener, discovery: str, published: set[str]
) -> None:
    make_server("--mqtt-discovery", discovery)
    listener.wait(lambda heard: "online" in heard.retained.values())
    time.sleep(2)
    found = {"/".join(topic.split("/")[:2]) for topic, payload in listener.messages if payload}
    assert found & {"homeassistant/device", "pi_mjpeg/discovery"} == published


def test_a_birth_message_makes_the_server_publish_everything_again_once(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    announcement = wait_for_announcement(listener)
    wait_for_core_discovery(listener, announcement["id"])
    listener.messages.clear()
    for _ in range(20):
        listener.publish("homeassistant/status", "online")
    again = {f"pi_mjpeg/discovery/{announcement['id']}/config", core_discovery_topic(announcement["id"])}
    listener.wait(lambda heard: again <= {topic for topic, _ in heard.messages}, 20)
    time.sleep(1)
    assert all(sum(topic == each for each, _ in listener.messages) == 1 for topic in again)
