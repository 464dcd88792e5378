"""Commands over MQTT are executed and answered; everything else changes nothing."""

import json
import random
import time

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

SNAPSHOT = '{"command": "snapshot"}'


def payloads(listener: Listener, topic: str) -> list[str]:
    """Return what was published on a topic, in order."""
    return [payload for each, payload in listener.messages if each == topic]


def test_a_pressed_button_takes_a_snapshot_that_can_be_fetched(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    core = wait_for_core_discovery(listener, wait_for_announcement(listener)["id"])
    button = next(part for part in core["components"].values() if part["platform"] == "button")
    image = next(part for part in core["components"].values() if part["platform"] == "image")
    listener.publish(button["command_topic"], button["payload_press"])
    listener.wait(lambda heard: image["url_topic"] in heard.retained)
    snapshot = json.loads(listener.retained[image["url_topic"]])
    assert snapshot["trigger"] == "mqtt"
    body = fetch(snapshot["url"])
    assert len(body) == snapshot["bytes"]
    level_of(body)


def test_every_command_is_answered_with_its_id_and_the_result_is_not_retained(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    listener.publish(camera["command_topic"], '{"command": "restart", "id": "one"}')
    listener.publish(camera["command_topic"], '{"command": "snapshot", "id": "two"}')
    listener.publish(camera["command_topic"], '{"command": "set", "controls": {"Warp": 9}, "id": "three"}')
    listener.wait(lambda heard: len(payloads(heard, result)) == 3)
    answers = {answer["id"]: answer for answer in map(json.loads, payloads(listener, result))}
    assert answers["one"]["error"] is None
    assert answers["two"]["error"] is None
    assert camera["snapshot_topic"] in listener.retained
    assert answers["three"]["error"]["code"] == "bad_control"
    assert "Warp" in answers["three"]["error"]["message"]
    late = Listener(listener.port)
    time.sleep(0.5)
    assert result not in late.retained
    late.close()


def test_a_flood_of_commands_does_not_run_all_at_once(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    for _ in range(200):
        listener.publish(camera["command_topic"], SNAPSHOT, wait=False)
    listener.wait(lambda heard: any("busy" in answer for answer in payloads(heard, result)), 20)
    listener.publish(camera["command_topic"], '{"command": "restart", "id": "last"}')
    listener.wait(lambda heard: any('"last"' in answer for answer in payloads(heard, result)), 20)
    assert len(payloads(listener, camera["snapshot_topic"])) < 100


def test_a_retained_command_is_ignored(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    first.stop()
    listener.publish(camera["command_topic"], SNAPSHOT, retain=True)
    listener.messages.clear()
    second = make_server()
    wait_for_announcement(listener)
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: bool(payloads(heard, camera["snapshot_topic"])))
    # Both commands would run at the same time; the second snapshot would be here by now.
    time.sleep(0.5)
    assert len(payloads(listener, camera["snapshot_topic"])) == 1
    assert second.log.read_text().count("commands must not be retained") == 1


def test_hostile_messages_change_nothing_and_are_logged_once(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    announcement = wait_for_announcement(listener)
    camera, node = announcement["cameras"][0], announcement["id"]
    core = wait_for_core_discovery(listener, node)
    before = {topic: payload for topic, payload in listener.retained.items() if not topic.endswith("/state")}
    dice = random.Random(5)  # noqa: S311  (the same messages each time)
    targets = [camera["command_topic"], "homeassistant/status", f"pi_mjpeg/{node}/claimed"]
    for _ in range(400):
        topic = dice.choice(targets)
        listener.publish(topic, malformed(dice, CLAIM if topic.endswith("claimed") else SNAPSHOT), wait=False)
    listener.publish(f"pi_mjpeg/{node}/\u202eevil/command", SNAPSHOT)
    listener.publish(camera["command_topic"], '{"command": "snapshot", "\x1b[31m": 1}')
    listener.publish(camera["command_topic"], b"x" * 200_000)
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    assert wait_for_core_discovery(listener, node) == core
    assert core_discovery_topic(node) in before
    assert {topic: listener.retained[topic] for topic in before} == before
    assert len(payloads(listener, camera["snapshot_topic"])) == 1
    assert server.running
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "\x1b" not in log
    for topic in targets:
        assert log.count(f"a message on {topic} is") == 1


def malformed(dice: random.Random, valid: str) -> bytes:
    """Return a payload that is almost valid or pure noise, but never valid."""
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.randrange(1, 300))
    if kind == 1:
        return valid[: dice.randrange(1, len(valid) - 1)].encode()
    if kind == 2:
        return b"[" * dice.randrange(1000, 4000)
    if kind == 3:
        return valid.replace('"', dice.choice(["'", '\\"', "\u201d"])).encode()
    if kind == 4:
        return json.dumps([json.loads(valid)] * dice.randrange(1, 40)).encode()
    return json.dumps(
        {"schema": dice.choice([0, 2, "1", None]), "command": dice.choice([None, 1, "format", ["set"]])}
    ).encode()
