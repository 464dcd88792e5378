"""What cameras do to people, done to a real server: each fault as viewers, the state, MQTT and the log saw it.

Two cameras, a webcam that breaks and an emulated one that does not; a viewer on each all the time. Deadlines are
shortened by tests.server.support.short_deadlines.py.
"""

import asyncio
import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tooling.broker import make_broker
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.fake_webcam import FakeWebcam, environment
from tests.server.support.mqtt_listener import Listener
from tests.server.support.scripted_camera import grey
from tests.server.support.stream_recorder import Watcher

LIVE_AGAIN = 5.0
"""Seconds from a camera's return to its live picture."""


@dataclass
class House:
    """A server with its two cameras, a viewer on each, and somebody at the broker."""

    program: Program
    port: int
    webcam: FakeWebcam
    front: Watcher
    good: Watcher
    mqtt: Listener

    def state(self) -> dict[str, Any]:
        """Return how the webcam is, as the state tells it."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/state", timeout=5) as answer:
            cameras: list[dict[str, Any]] = json.load(answer)["cameras"]
        return cameras[0]

    def wait_for_state(self, state: str, seconds: float = 15.0) -> dict[str, Any]:
        """Wait until the webcam is in that state."""
        began = time.monotonic()
        while (now := self.state())["state"] != state:
            assert time.monotonic() - began < seconds, now
            time.sleep(0.05)
        return now

    def availability(self) -> str | None:
        """Return what the broker holds of the webcam."""
        return next((said for topic, said in self.mqtt.retained.items() if topic.endswith("front/availability")), None)

    def refusal(self) -> dict[str, Any]:
        """Return the error of a snapshot that is refused."""
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/cameras/front/snapshot.jpg", timeout=10)
        assert raised.value.code == 503
        error: dict[str, Any] = json.load(raised.value)["error"]
        return error

    def is_down(self, words: str) -> None:
        """Show that everybody knows: viewers see a drawn picture, snapshots are refused, MQTT and log say it."""
        self.front.wait(drawn=True, seconds=5)
        assert words in (self.state()["reason"] or "")
        assert words in self.refusal()["message"]
        self.mqtt.wait(lambda _: self.availability() == "offline")
        assert words in self.program.log.read_text()

    def is_back(self) -> None:
        """Show that a live picture comes within five seconds, that MQTT says so, and that nobody was kept waiting."""
        assert self.front.wait(drawn=False, seconds=LIVE_AGAIN) < LIVE_AGAIN
        self.mqtt.wait(lambda _: self.availability() == "online")
        assert self.front.longest_silence < 2.5
        assert self.good.longest_silence < 1.5
        assert not any(seen.drawn for seen in self.good.seen)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """Start everything, with the webcam live."""
    port, broker_port = free_ports(0, 0)
    broker = make_broker(tmp_path / "broker", broker_port)
    broker.start()
    asyncio.run(broker.wait_until(lambda: answers("127.0.0.1", broker_port), 10))
    webcam = FakeWebcam(tmp_path / "video0", [grey(level) for level in range(0, 250, 5)])
    (tmp_path / "config.toml").write_text(
        f"""
        [server]
        host = "127.0.0.1"
        port = {port}
        state_dir = "{tmp_path}/state"
        [mqtt]
        host = "127.0.0.1"
        port = {broker_port}
        [[camera]]
        id = "front"
        name = "Front"
        source = "v4l2"
        device = "{tmp_path}/video0"
        size = [64, 48]
        linger = 0.5
        [[camera]]
        id = "good"
        name = "Good"
        source = "emulated"
        size = [64, 48]
        """
    )
    command = [
        sys.executable,
        "-m",
        "tests.server.support.short_deadlines",
        "run",
        "--no-auth",
        "--config",
        str(tmp_path / "config.toml"),
    ]
    program = Program("pi-mjpeg", command, tmp_path / "server.log", environment(tmp_path))
    mqtt = Listener(broker_port)
    program.start()
    asyncio.run(program.wait_until(lambda: answers("127.0.0.1", port), 60))
    front, good = Watcher(port, "/cameras/front/stream"), Watcher(port, "/cameras/good/stream")
    house = House(program, port, webcam, front, good, mqtt)
    front.wait(drawn=False, seconds=10)
    good.wait(drawn=False, seconds=10)
    yield house
    for fault in ("stuck", "stop_stuck"):
        webcam.mend(fault)
    house.front.close()
    good.close()
    mqtt.close()
    program.stop()
    broker.stop()
    assert "Traceback" not in program.log.read_text()


def test_an_unplugged_webcam_comes_back_by_itself(house: House) -> None:
    house.webcam.break_down("unplugged")
    house.wait_for_state("failing")
    house.is_down("unplugged")
    assert "it was unplugged" in house.program.log.read_text()
    time.sleep(4)
    house.webcam.mend("unplugged")
    house.is_back()


def test_a_webcam_that_gives_nothing_is_started_anew_and_opened_anew(house: House) -> None:
    house.webcam.break_down("silent")
    house.wait_for_state("failing")
    house.is_down("no picture")
    house.mqtt.wait(lambda _: "answers but gives no picture" in house.program.log.read_text(), 10)
    assert house.state()["restarts"] >= 2
    house.webcam.mend("silent")
    house.is_back()


def test_a_driver_that_never_returns_leaves_the_others_alone_and_is_left_behind(house: House) -> None:
    house.webcam.break_down("stuck")
    house.wait_for_state("failing")
    house.is_down("does not answer")
    house.webcam.mend("stuck")
    house.is_back()


def test_a_driver_that_never_returns_for_long_is_given_up_and_the_others_live_on(house: House) -> None:
    house.webcam.break_down("stuck")
    stuck = house.wait_for_state("stuck", 40)
    assert "only a restart of the service can help" in stuck["reason"]
    house.is_down("does not answer")
    assert house.good.wait(drawn=False, seconds=2) < 2
    assert house.good.longest_silence < 1.5


def test_a_stop_that_blocks_for_ever_does_not_keep_the_next_viewer_from_a_picture(house: House) -> None:
    house.webcam.break_down("stop_stuck")
    house.front.close()
    house.wait_for_state("failing")
    assert "did not stop within" in house.program.log.read_text()
    house.webcam.mend("stop_stuck")
    house.front = Watcher(house.port, "/cameras/front/stream")
    house.is_back()


def test_a_start_that_fails_twice_succeeds_the_third_time(house: House) -> None:
    house.webcam.break_down("busy")
    house.webcam.break_down("unplugged")
    house.wait_for_state("failing")
    house.webcam.mend("unplugged")
    house.mqtt.wait(lambda _: house.program.log.read_text().count("another program has it open") >= 1, 10)
    house.is_down("another program has it open")
    restarts = house.state()["restarts"]
    house.mqtt.wait(lambda _: house.state()["restarts"] >= restarts + 2, 15)
    house.webcam.mend("busy")
    house.is_back()


@pytest.mark.parametrize("signal_it", [Program.stop, Program.kill])
def test_a_server_ends_in_time_while_its_camera_is_stuck(house: House, signal_it: Callable[[Program], None]) -> None:
    house.webcam.break_down("stuck")
    time.sleep(0.2)
    began = time.monotonic()
    signal_it(house.program)
    assert time.monotonic() - began < 15


def test_controls_are_set_while_streaming_and_kept_for_the_next_start(house: House) -> None:
    def patch(body: object) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{house.port}/api/cameras/front/controls",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
            method="PATCH",
        )
        try:
            with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310  (our own server)
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    status, answer = patch({"brightness": 20, "power_line_frequency": "60 Hz"})
    assert status == 200
    values = {control["name"]: control["value"] for control in answer["controls"]}
    assert (values["brightness"], values["power_line_frequency"]) == (20, "60 Hz")
    assert house.webcam.controls_set == ["Brightness 20", "Power Line Frequency 2"]
    for wrong, words in (
        ({"brightness": 65}, "brightness has to be a whole number from -64 to 64 in steps of 2"),
        ({"brightness": 3}, "in steps of 2"),
        ({"brightness": False}, "whole number"),
        ({"brightness": 10, "power_line_frequency": "55 Hz"}, "one of: Disabled, 50 Hz, 60 Hz"),
        ({"pan": 1}, "there is no control 'pan'; there is: auto_exposure, brightness"),
    ):
        status, answer = patch(wrong)
        assert status == 422
        assert words in answer["error"]["message"]
    nothings: tuple[object, ...] = ([], {}, "brightness", None)
    for nonsense in nothings:
        assert patch(nonsense)[0] == 400
    assert len(house.webcam.controls_set) == 2
    house.webcam.break_down("unplugged")
    house.wait_for_state("failing")
    house.webcam.mend("unplugged")
    house.is_back()
    assert house.webcam.controls_set[2:] == ["Brightness 20", "Power Line Frequency 2"]
    kept = json.loads((house.webcam.path.parent / "state" / "controls.json").read_text())
    assert kept == {"front": {"brightness": 20, "power_line_frequency": "60 Hz"}}
