"""Motion over MQTT, with a real broker and real server processes: told, set, and kept."""

import json
from typing import Any

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import MakeServer, wait_for_announcement


def motion(listener: Listener, topic: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(listener.retained.get(topic, "{}"))
    return document


def test_motion_is_set_by_a_command_and_kept(make_server: MakeServer, listener: Listener) -> None:
    server = make_server()
    (camera,) = wait_for_announcement(listener)["cameras"]
    topic = camera["motion_topic"]
    assert topic == camera["state_topic"].removesuffix("state") + "motion"
    assert not motion(listener, topic)["enabled"]
    changes = {"enabled": True, "sensitivity": 90, "clear_after": 60}
    listener.publish(camera["command_topic"], json.dumps({"command": "set", "id": "1", "motion": changes}))
    listener.wait(lambda _: motion(listener, topic)["enabled"])
    server.stop()
    listener.messages.clear()
    make_server()
    listener.wait(lambda heard: any(each == topic for each, _ in heard.messages), 15)
    assert {name: motion(listener, topic)[name] for name in changes} == changes


def test_a_setting_that_is_not_valid_is_answered_with_its_code(make_server: MakeServer, listener: Listener) -> None:
    make_server()
    (camera,) = wait_for_announcement(listener)["cameras"]
    result_topic = camera["command_topic"].removesuffix("command") + "result"
    command = {"command": "set", "id": "7", "motion": {"sensitivity": 0}}
    listener.publish(camera["command_topic"], json.dumps(command))
    listener.wait(lambda heard: any(topic == result_topic for topic, _ in heard.messages))
    result = next(json.loads(text) for topic, text in listener.messages if topic == result_topic)
    assert (result["id"], result["error"]["code"]) == ("7", "bad_setting")
    assert result["error"]["message"] == "sensitivity has to be a whole number from 1 to 100"
