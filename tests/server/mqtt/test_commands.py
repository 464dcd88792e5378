"""What is asked of the cameras by MQTT is done and answered; what is no command changes nothing."""

import json
import random
import time

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import CLAIM, MakeServer, announced, core_document, core_topic, fetched
from tests.server.support.scripted_camera import level_of

SNAPSHOT = '{"command": "snapshot"}'


def said_on(listener: Listener, topic: str) -> list[str]:
    return [payload for said, payload in listener.said if said == topic]


def test_a_pressed_button_takes_a_snapshot_that_can_be_fetched(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    core = core_document(listener, announced(listener)["id"])
    button = next(part for part in core["components"].values() if part["platform"] == "button")
    image = next(part for part in core["components"].values() if part["platform"] == "image")
    listener.say(button["command_topic"], button["payload_press"])
    listener.wait(lambda heard: image["url_topic"] in heard.retained)
    snapshot = json.loads(listener.retained[image["url_topic"]])
    assert snapshot["trigger"] == "mqtt"
    body = fetched(snapshot["url"])
    assert len(body) == snapshot["bytes"]
    level_of(body)


def test_every_command_is_answered_by_its_id_and_the_answer_is_not_kept(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    camera = announced(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    listener.say(camera["command_topic"], '{"command": "restart", "id": "one"}')
    listener.say(camera["command_topic"], '{"command": "snapshot", "id": "two"}')
    listener.say(camera["command_topic"], '{"command": "set", "controls": {"Warp": 9}, "id": "three"}')
    listener.wait(lambda heard: len(said_on(heard, result)) == 3)
    answers = {answer["id"]: answer for answer in map(json.loads, said_on(listener, result))}
    assert answers["one"]["error"] is None
    assert answers["two"]["error"] is None
    assert camera["snapshot_topic"] in listener.retained
    assert answers["three"]["error"]["code"] == "bad_control"
    assert "Warp" in answers["three"]["error"]["message"]
    late = Listener(listener.port)
    time.sleep(0.5)
    assert result not in late.retained
    late.close()


def test_a_hail_of_commands_is_not_worked_on_all_at_once(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    camera = announced(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    for _ in range(200):
        listener.say(camera["command_topic"], SNAPSHOT, wait=False)
    listener.wait(lambda heard: any("busy" in answer for answer in said_on(heard, result)), 20)
    listener.say(camera["command_topic"], '{"command": "restart", "id": "last"}')
    listener.wait(lambda heard: any('"last"' in answer for answer in said_on(heard, result)), 20)
    assert len(said_on(listener, camera["snapshot_topic"])) < 100


def test_a_retained_command_is_ignored(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    camera = announced(listener)["cameras"][0]
    first.stop()
    listener.say(camera["command_topic"], SNAPSHOT, retain=True)
    listener.said.clear()
    second = make_server()
    announced(listener)
    listener.say(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: bool(said_on(heard, camera["snapshot_topic"])))
    # Both would be taken at the same time; the second one would have come by now.
    time.sleep(0.5)
    assert len(said_on(listener, camera["snapshot_topic"])) == 1
    assert second.log.read_text().count("commands must not be retained") == 1


def test_hostile_messages_change_nothing_and_are_logged_once(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    announcement = announced(listener)
    camera, node = announcement["cameras"][0], announcement["id"]
    core = core_document(listener, node)
    before = {topic: payload for topic, payload in listener.retained.items() if not topic.endswith("/state")}
    dice = random.Random(5)  # noqa: S311  (the same mischief each time)
    targets = [camera["command_topic"], "homeassistant/status", f"pi_mjpeg/{node}/claimed"]
    for _ in range(400):
        topic = dice.choice(targets)
        listener.say(topic, mischief(dice, CLAIM if topic.endswith("claimed") else SNAPSHOT), wait=False)
    listener.say(f"pi_mjpeg/{node}/\u202eevil/command", SNAPSHOT)
    listener.say(camera["command_topic"], '{"command": "snapshot", "\x1b[31m": 1}')
    listener.say(camera["command_topic"], b"x" * 200_000)
    listener.say(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    assert core_document(listener, node) == core
    assert core_topic(node) in before
    assert {topic: listener.retained[topic] for topic in before} == before
    assert len(said_on(listener, camera["snapshot_topic"])) == 1
    assert server.running
    log = server.log.read_text()
    assert "Traceback" not in log
    assert "\x1b" not in log
    for topic in targets:
        assert log.count(f"a message on {topic} is") == 1


def mischief(dice: random.Random, proper: str) -> bytes:
    """Return a message that is nearly proper, or nothing like it, and never a proper one."""
    kind = dice.randrange(6)
    if kind == 0:
        return dice.randbytes(dice.randrange(1, 300))
    if kind == 1:
        return proper[: dice.randrange(1, len(proper) - 1)].encode()
    if kind == 2:
        return b"[" * dice.randrange(1000, 4000)
    if kind == 3:
        return proper.replace('"', dice.choice(["'", '\\"', "\u201d"])).encode()
    if kind == 4:
        return json.dumps([json.loads(proper)] * dice.randrange(1, 40)).encode()
    return json.dumps(
        {"schema": dice.choice([0, 2, "1", None]), "command": dice.choice([None, 1, "format", ["set"]])}
    ).encode()
