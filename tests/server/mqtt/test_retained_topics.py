"""What a server no longer says, it takes back."""

import subprocess
import sys
from pathlib import Path

from tooling.network import free_ports

from tests.server.support.mqtt_listener import Listener
from tests.server.support.mqtt_server import CLAIM, MakeServer, announced, core_document


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
    # It forgets them once the broker has its word.
    listener.wait(lambda _: "shed" not in (tmp_path / "state" / "mqtt.json").read_text())
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


def purged(folder: Path, broker: int) -> subprocess.CompletedProcess[bytes]:
    """Run `pi-mjpeg purge` to its end."""
    command = [sys.executable, "-m", "pi_mjpeg_server", "purge", "--state-dir", str(folder / "state")]
    command += ["--mqtt-host", "127.0.0.1", "--mqtt-port", str(broker)]
    return subprocess.run(command, capture_output=True, timeout=60, check=False)  # noqa: S603


def test_purge_leaves_nothing_of_a_stopped_server_and_of_no_other(
    make_server: MakeServer, listener: Listener, tmp_path: Path
) -> None:
    (file := tmp_path / "config.toml").write_text("[[camera]]\nid = 'attic'\n")
    server = make_server("--config", str(file), "--mqtt-discovery", "both")
    node = announced(listener)["id"]
    core_document(listener, node)
    listener.say(f"pi_mjpeg/{node}/claimed", CLAIM, retain=True)
    listener.say("pi_mjpeg/other/availability", "online", retain=True)
    while_it_runs = purged(tmp_path, listener.port)
    assert while_it_runs.returncode == 1
    assert b"the server is online and would say it again; stop it first" in while_it_runs.stderr
    assert f"pi_mjpeg/discovery/{node}/config" in listener.retained
    server.stop()
    # The configuration of the attic's camera is gone, but not the memory of its topics.
    assert purged(tmp_path, listener.port).returncode == 0
    listener.wait(lambda heard: set(heard.retained) == {"pi_mjpeg/other/availability"})


def test_purge_says_when_there_is_no_broker(tmp_path: Path) -> None:
    done = purged(tmp_path, free_ports(0)[0])
    assert done.returncode == 1
    assert b"there is no connection to the broker: nothing listens there" in done.stderr
