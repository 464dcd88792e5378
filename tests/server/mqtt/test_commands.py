"""Commands over MQTT are executed and answered; everything else changes nothing."""

import json
import random
import time
from pathlib import Path
from typing import Any

from tests.server.support.clip_files import pictures
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


def test_a_clip_is_recorded_retained_and_found_again_after_a_restart(
    make_server: MakeServer, listener: Listener
) -> None:
    first = make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    listener.publish(camera["command_topic"], '{"command": "clip", "before": 1, "after": 0.3, "id": "bell"}')
    # It keeps no other command waiting.
    listener.publish(camera["command_topic"], '{"command": "snapshot", "id": "picture"}')
    listener.wait(lambda heard: len(payloads(heard, result)) == 2)
    answers = {answer["id"]: answer for answer in map(json.loads, payloads(listener, result))}
    assert answers["bell"]["error"] is None
    clip = json.loads(listener.retained[camera["clip_topic"]])
    assert (clip["schema"], clip["trigger"]) == (1, "mqtt")
    assert clip["after"] >= 0.3
    assert len(pictures(fetch(clip["download_url"]))) == clip["frames"]
    first.stop()
    listener.publish(camera["clip_topic"], "", retain=True)
    make_server()
    listener.wait(lambda heard: bool(heard.retained.get(camera["clip_topic"])))
    again = json.loads(listener.retained[camera["clip_topic"]])
    assert (again["id"], again["frames"], again["duration"]) == (clip["id"], clip["frames"], clip["duration"])
    assert len(fetch(again["download_url"])) == clip["bytes"]


def test_every_command_is_answered_with_its_id_and_the_result_is_not_retained(
    make_server: MakeServer, listener: Listener
) -> None:
    make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    listener.publish(camera["command_topic"], '{"command": "restart", "id": "one"}')
    listener.publish(camera["command_topic"], '{"command": "snapshot", "id": "two"}')
    listener.publish(camera["command_topic"], '{"command": "set", "controls": {"Warp": 9}, "id": "three"}')
    listener.publish(camera["command_topic"], '{"command": "focus", "id": "four"}')
    listener.wait(lambda heard: len(payloads(heard, result)) == 4)
    answers = {answer["id"]: answer for answer in map(json.loads, payloads(listener, result))}
    assert answers["one"]["error"] is None
    assert answers["two"]["error"] is None
    assert camera["snapshot_topic"] in listener.retained
    assert answers["three"]["error"]["code"] == "bad_control"
    assert "Warp" in answers["three"]["error"]["message"]
    assert answers["four"]["error"]["code"] == "bad_control"
    assert "has no lens" in answers["four"]["error"]["message"]
    late = Listener(listener.port)
    time.sleep(0.5)
    assert result not in late.retained
    late.close()


def test_a_camera_is_switched_off_and_on_by_commands(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    announcement = wait_for_announcement(listener)
    camera = announcement["cameras"][0]
    core = wait_for_core_discovery(listener, announcement["id"])
    (switch,) = [part for key, part in core["components"].items() if key.endswith("_privacy")]
    (state,) = [part for part in core["components"].values() if part.get("device_class") == "enum"]
    result = camera["command_topic"].replace("/command", "/result")

    def ask(payload: str) -> dict[str, Any]:
        count = len(payloads(listener, result))
        listener.publish(switch["command_topic"], payload)
        listener.wait(lambda heard: len(payloads(heard, result)) > count)
        answer: dict[str, Any] = json.loads(payloads(listener, result)[-1])
        return answer

    def document() -> dict[str, Any]:
        found: dict[str, Any] = json.loads(listener.retained[switch["state_topic"]])
        return found

    assert document()["enabled"] is True
    for _ in range(2):
        assert ask(switch["payload_on"])["error"] is None
        listener.wait_for_retained(camera["availability_topic"], "offline", 1)
    listener.wait(lambda _: document()["state"] == "off", 3)
    assert (document()["enabled"], document()["last_error"], document()["reason"]) == (False, None, None)
    assert "off" in state["options"]
    # The switch can be used while there are no pictures.
    assert switch["availability"] == [{"topic": announcement["availability_topic"]}]
    for refused in (
        SNAPSHOT,
        '{"command": "restart"}',
        '{"command": "focus"}',
        '{"command": "set", "controls": {"Warp": 9}}',
    ):
        assert ask(refused)["error"] == {"code": "camera_off", "message": f"{camera['name']} is switched off"}
    assert camera["snapshot_topic"] not in listener.retained
    assert ask(switch["payload_off"])["error"] is None
    listener.wait_for_retained(camera["availability_topic"], "online", 3)
    listener.wait(lambda _: document()["enabled"] is True, 3)
    assert ask(SNAPSHOT)["error"] is None


def test_a_retained_command_does_not_switch_a_camera(make_server: MakeServer, listener: Listener) -> None:
    first = make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    first.stop()
    listener.publish(camera["command_topic"], '{"command": "disable"}', retain=True)
    second = make_server()
    wait_for_announcement(listener)
    listener.wait(lambda _: "commands must not be retained" in second.log.read_text())
    assert listener.retained[camera["availability_topic"]] == "online"


def test_a_camera_is_switched_off_while_it_is_busy_with_commands(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    result = camera["command_topic"].replace("/command", "/result")
    for _ in range(300):
        listener.publish(camera["command_topic"], SNAPSHOT, wait=False)
    listener.publish(camera["command_topic"], '{"command": "disable", "id": "private"}')
    listener.wait(lambda heard: any('"private"' in answer for answer in payloads(heard, result)), 20)
    (answer,) = [json.loads(each) for each in payloads(listener, result) if '"private"' in each]
    assert answer["error"] is None
    listener.wait(lambda heard: json.loads(heard.retained[camera["state_topic"]])["state"] == "off")


def test_a_snapshot_that_is_deleted_on_the_disk_is_cleared_at_the_broker(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    make_server()
    camera = wait_for_announcement(listener)["cameras"][0]
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: camera["snapshot_topic"] in heard.retained)
    first = json.loads(listener.retained[camera["snapshot_topic"]])
    time.sleep(0.1)
    listener.publish(camera["command_topic"], SNAPSHOT)
    listener.wait(lambda heard: json.loads(heard.retained[camera["snapshot_topic"]])["id"] != first["id"])
    second = json.loads(listener.retained[camera["snapshot_topic"]])
    (tmp_path / "state" / "snapshots" / "mqtt" / f"{second['id']}.jpg").unlink()
    # Each change of a camera's state publishes all states.
    listener.publish(camera["command_topic"], '{"command": "restart"}')
    listener.wait(lambda heard: json.loads(heard.retained[camera["snapshot_topic"]])["id"] == first["id"])
    assert json.loads(listener.retained[camera["snapshot_topic"]]) == first
    (tmp_path / "state" / "snapshots" / "mqtt" / f"{first['id']}.jpg").unlink()
    listener.wait(lambda heard: camera["snapshot_topic"] not in heard.retained, 20)


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
