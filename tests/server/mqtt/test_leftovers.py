"""What a server no longer says, it takes back."""

from pathlib import Path

from tests.server.broker import Listener
from tests.server.mqtt.house import MakeServer, announced, core_document


def test_the_topics_of_a_camera_that_is_gone_are_taken_back(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'front'\n[[camera]]\nid = 'shed'\nname = 'Shed'\n")
    first = make_server("--config", str(file))
    node = announced(listener)["id"]
    core = core_document(listener, node)
    listener.wait(lambda heard: f"pi_mjpeg/{node}/shed/availability" in heard.retained)
    first.stop()
    file.write_text("[[camera]]\nid = 'door'\n")
    make_server("--config", str(file), "--mqtt-discovery-prefix", "ha")
    listener.wait(lambda heard: f"pi_mjpeg/{node}/door/availability" in heard.retained)
    listener.wait(lambda heard: f"ha/device/pi_mjpeg_{node}/config" in heard.retained)
    listener.wait(lambda heard: not [topic for topic in heard.retained if "/front/" in topic or "/shed/" in topic])
    assert f"homeassistant/device/pi_mjpeg_{node}/config" not in listener.retained
    assert {key for key in core["components"] if key.startswith("shed")}


def test_home_assistant_is_told_which_components_are_gone(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    """It would keep their entities for ever if the new document just left them out."""
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'front'\n[[camera]]\nid = 'shed'\n")
    first = make_server("--config", str(file))
    node = announced(listener)["id"]
    before = core_document(listener, node)["components"]
    first.stop()
    file.write_text("[[camera]]\nid = 'front'\n")
    listener.said.clear()
    second = make_server("--config", str(file))
    listener.wait(lambda heard: "config" in " ".join(topic for topic, _ in heard.said if "homeassistant" in topic))
    after = core_document(listener, node)["components"]
    assert set(after) == set(before)
    for key, component in after.items():
        assert (component == {"platform": before[key]["platform"]}) == key.startswith("shed")
    second.stop()
    listener.said.clear()
    make_server("--config", str(file))
    listener.wait(lambda heard: "shed" not in str(core_document(heard, node)["components"]))


def test_a_damaged_memory_is_no_reason_to_stop(make_server: MakeServer, listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mqtt.json").write_text('{"topics": [1')
    server = make_server()
    core_document(listener, announced(listener)["id"])
    assert "old MQTT topics may stay at the broker" in server.log.read_text()
