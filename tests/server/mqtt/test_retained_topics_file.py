"""A server clears the retained messages that it no longer publishes."""

import subprocess
import sys
from pathlib import Path

from tooling.network import free_ports

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import CLAIM, MakeServer, wait_for_announcement, wait_for_core_discovery


def test_the_topics_of_a_removed_camera_are_cleared(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'front'\n[[camera]]\nid = 'shed'\nname = 'Shed'\n")
    first = make_server("--config", str(file))
    node = wait_for_announcement(listener)["id"]
    core = wait_for_core_discovery(listener, node)
    listener.wait(lambda heard: f"pi_mjpeg/{node}/shed/availability" in heard.retained)
    first.stop()
    file.write_text("[[camera]]\nid = 'door'\n")
    make_server("--config", str(file), "--mqtt-discovery-prefix", "ha")
    listener.wait(lambda heard: f"pi_mjpeg/{node}/door/availability" in heard.retained)
    listener.wait(lambda heard: f"ha/device/pi_mjpeg_{node}/config" in heard.retained)
    listener.wait(lambda heard: not [topic for topic in heard.retained if "/front/" in topic or "/shed/" in topic])
    assert f"homeassistant/device/pi_mjpeg_{node}/config" not in listener.retained
    assert {key for key in core["components"] if key.startswith("shed")}


def test_the_core_discovery_has_tombstones_for_removed_components(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    """Home Assistant would keep their entities for ever if the new document just left them out."""
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'front'\n[[camera]]\nid = 'shed'\n")
    first = make_server("--config", str(file))
    node = wait_for_announcement(listener)["id"]
    before = wait_for_core_discovery(listener, node)["components"]
    first.stop()
    file.write_text("[[camera]]\nid = 'front'\n")
    listener.messages.clear()
    second = make_server("--config", str(file))
    listener.wait(lambda heard: "config" in " ".join(topic for topic, _ in heard.messages if "homeassistant" in topic))
    after = wait_for_core_discovery(listener, node)["components"]
    assert set(after) == set(before)
    for key, component in after.items():
        assert (component == {"platform": before[key]["platform"]}) == key.startswith("shed")
    # The server forgets them once the broker has acknowledged.
    listener.wait(lambda _: "shed" not in (tmp_path / "state" / "mqtt.json").read_text())
    second.stop()
    listener.messages.clear()
    make_server("--config", str(file))
    listener.wait(lambda heard: "shed" not in str(wait_for_core_discovery(heard, node)["components"]))


def test_a_damaged_file_does_not_stop_the_server(make_server: MakeServer, listener: Listener, tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "mqtt.json").write_text('{"topics": [1')
    server = make_server()
    wait_for_core_discovery(listener, wait_for_announcement(listener)["id"])
    assert "old MQTT topics may stay at the broker" in server.log.read_text()


def purge(folder: Path, broker: int) -> subprocess.CompletedProcess[bytes]:
    """Run `pi-mjpeg purge` to its end."""
    command = [sys.executable, "-m", "pi_mjpeg_server", "purge", "--state-dir", str(folder / "state")]
    command += ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603


def test_purge_clears_everything_of_a_stopped_server_and_nothing_of_another(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'attic'\n")
    server = make_server("--config", str(file), "--mqtt-discovery", "both")
    node = wait_for_announcement(listener)["id"]
    wait_for_core_discovery(listener, node)
    listener.publish(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.publish("pi_mjpeg/other/availability", "online", retain=True)
    while_running = purge(tmp_path, listener.port)
    assert while_running.returncode == 1
    assert b"the server is online and would publish it again; stop it first" in while_running.stderr
    assert f"pi_mjpeg/discovery/{node}/config" in listener.retained
    server.stop()
    # The attic's camera is no longer configured, but its topics are recorded.
    assert purge(tmp_path, listener.port).returncode == 0
    listener.wait(lambda heard: set(heard.retained) == {"pi_mjpeg/other/availability"})


def test_purge_fails_with_a_reason_without_a_broker(tmp_path: Path) -> None:
    result = purge(tmp_path, free_ports(0)[0])
    assert result.returncode == 1
    assert b"there is no connection to the broker: nothing listens there" in result.stderr
