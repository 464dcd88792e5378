"""Camera faults on a real server, as viewers, the state, MQTT and the log show them.

The server has two cameras, a webcam with faults and an emulated one without, and a viewer on each all the time.
Timeouts are shortened by tests/server/support/short_deadlines.py.
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
from tests.server.support.stream_recorder import StreamRecorder

RECOVERY_TIMEOUT = 5.0
"""Seconds from the end of a fault to the first live picture."""


@dataclass
class ServerUnderTest:
    """A server with its two cameras, a viewer on each, and an MQTT listener."""

    program: Program
    port: int
    webcam: FakeWebcam
    front: StreamRecorder
    good: StreamRecorder
    mqtt: Listener

    def state(self) -> dict[str, Any]:
        """Return the webcam's part of `/api/state`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/state", timeout=5) as answer:
            cameras: list[dict[str, Any]] = json.load(answer)["cameras"]
        return cameras[0]

    def wait_for_state(self, state: str, seconds: float = 15.0) -> dict[str, Any]:
        """Wait until the webcam is in `state`, and return its part of `/api/state`."""
        start = time.monotonic()
        while (now := self.state())["state"] != state:
            assert time.monotonic() - start < seconds, now
            time.sleep(0.05)
        return now

    def availability(self) -> str | None:
        """Return the webcam's retained availability, or None."""
        retained = self.mqtt.retained
        return next((value for topic, value in retained.items() if topic.endswith("front/availability")), None)

    def snapshot_error(self) -> dict[str, Any]:
        """Request a snapshot, which has to be refused, and return the error."""
        with pytest.raises(urllib.error.HTTPError) as raised:
            urllib.request.urlopen(f"http://127.0.0.1:{self.port}/cameras/front/snapshot.jpg", timeout=10)
        assert raised.value.code == 503
        error: dict[str, Any] = json.load(raised.value)["error"]
        return error

    def assert_down(self, words: str) -> None:
        """Check that viewers see a placard, snapshots are refused, and MQTT and the log report the fault."""
        self.front.wait(drawn=True, seconds=5)
        assert words in (self.state()["reason"] or "")
        assert words in self.snapshot_error()["message"]
        self.mqtt.wait(lambda _: self.availability() == "offline")
        assert words in self.program.log.read_text()

    def assert_recovered(self) -> None:
        """Check that a live picture comes within five seconds, that MQTT reports it, and that no stream was silent."""
        assert self.front.wait(drawn=False, seconds=RECOVERY_TIMEOUT) < RECOVERY_TIMEOUT
        self.mqtt.wait(lambda _: self.availability() == "online")
        assert self.front.longest_silence < 2.5
        assert self.good.longest_silence < 1.5
        assert not any(picture.drawn for picture in self.good.pictures)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ServerUnderTest]:
    """Start everything and wait until the webcam is live."""
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
    front, good = StreamRecorder(port, "/cameras/front/stream"), StreamRecorder(port, "/cameras/good/stream")
    server = ServerUnderTest(program, port, webcam, front, good, mqtt)
    front.wait(drawn=False, seconds=10)
    good.wait(drawn=False, seconds=10)
    # On a slow machine a picture is drawn before the first live one comes.
    good.pictures.clear()
    yield server
    for fault in ("stuck", "stop_stuck"):
        webcam.clear_fault(fault)
    server.front.close()
    good.close()
    mqtt.close()
    program.stop()
    broker.stop()
    assert "Traceback" not in program.log.read_text()


def test_an_unplugged_webcam_recovers_by_itself(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    server.assert_down("unplugged")
    assert "it was unplugged" in server.program.log.read_text()
    time.sleep(4)
    server.webcam.clear_fault("unplugged")
    server.assert_recovered()


def test_a_webcam_without_pictures_is_restarted_and_then_reopened(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("silent")
    server.wait_for_state("failing")
    server.assert_down("no picture")
    server.mqtt.wait(lambda _: "answers but gives no picture" in server.program.log.read_text(), 10)
    assert server.state()["restarts"] >= 2
    server.webcam.clear_fault("silent")
    server.assert_recovered()


def test_a_driver_that_never_returns_is_abandoned_and_does_not_affect_the_others(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("stuck")
    server.wait_for_state("failing")
    server.assert_down("does not answer")
    server.webcam.clear_fault("stuck")
    server.assert_recovered()


def test_a_camera_whose_driver_never_returns_is_stuck_at_last_and_the_others_go_on(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("stuck")
    stuck = server.wait_for_state("stuck", 40)
    assert "only a restart of the service can help" in stuck["reason"]
    server.assert_down("does not answer")
    assert server.good.wait(drawn=False, seconds=2) < 2
    assert server.good.longest_silence < 1.5


def test_a_driver_call_that_keeps_the_device_is_stuck_and_not_another_program(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("stop_stuck")
    server.front.close()
    server.wait_for_state("failing")
    stuck = server.wait_for_state("stuck", 40)
    assert "a call of its driver that never returned keeps it busy" in stuck["reason"]
    assert "only a restart of the service can help" in stuck["reason"]
    assert "another program" not in server.program.log.read_text()
    server.front = StreamRecorder(server.port, "/cameras/front/stream")


def test_damaged_pictures_are_counted_at_once_and_named(server: ServerUnderTest) -> None:
    frames = sorted((server.webcam.path / "frames").iterdir())
    whole = [frame.read_bytes() for frame in frames]
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    for frame, picture in zip(frames, whole, strict=True):
        frame.write_bytes(picture[: len(picture) // 2])
    drops = server.state()["drops"]
    server.webcam.clear_fault("unplugged")
    server.mqtt.wait(lambda _: server.state()["drops"] > drops + 5, 10)
    server.mqtt.wait(lambda _: "damaged pictures" in (server.state()["reason"] or ""), 10)
    server.assert_down("damaged pictures")
    assert "cable" not in server.state()["reason"]
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    for frame, picture in zip(frames, whole, strict=True):
        frame.write_bytes(picture)
    time.sleep(2)
    server.webcam.clear_fault("unplugged")
    server.assert_recovered()


def test_the_state_follows_a_size_that_changes_while_streaming(server: ServerUnderTest) -> None:
    frames = sorted((server.webcam.path / "frames").iterdir())
    assert (server.state()["width"], server.state()["height"]) == (64, 48)
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    for frame in frames:
        frame.write_bytes(grey(100, (160, 120)))
    server.webcam.clear_fault("unplugged")
    server.mqtt.wait(lambda _: server.state()["width"] == 160, 10)
    assert server.state()["height"] == 120
    assert server.state()["state"] == "live"


def test_a_stop_that_blocks_for_ever_does_not_keep_the_next_viewer_from_a_picture(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("stop_stuck")
    server.front.close()
    server.wait_for_state("failing")
    assert "did not stop within" in server.program.log.read_text()
    server.webcam.clear_fault("stop_stuck")
    server.front = StreamRecorder(server.port, "/cameras/front/stream")
    server.assert_recovered()


def test_a_start_that_fails_twice_succeeds_the_third_time(server: ServerUnderTest) -> None:
    server.webcam.inject_fault("busy")
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    server.webcam.clear_fault("unplugged")
    server.mqtt.wait(lambda _: server.program.log.read_text().count("another program has it open") >= 1, 10)
    server.assert_down("another program has it open")
    restarts = server.state()["restarts"]
    server.mqtt.wait(lambda _: server.state()["restarts"] >= restarts + 2, 15)
    server.webcam.clear_fault("busy")
    server.assert_recovered()


@pytest.mark.parametrize("end", [Program.stop, Program.kill])
def test_a_server_ends_in_time_while_its_camera_is_stuck(
    server: ServerUnderTest, end: Callable[[Program], None]
) -> None:
    server.webcam.inject_fault("stuck")
    time.sleep(0.2)
    start = time.monotonic()
    end(server.program)
    assert time.monotonic() - start < 15


def test_controls_are_set_while_streaming_and_kept_for_the_next_start(server: ServerUnderTest) -> None:
    def patch(body: object) -> tuple[int, dict[str, Any]]:
        request = urllib.request.Request(
            f"http://127.0.0.1:{server.port}/api/cameras/front/controls",
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
    assert server.webcam.controls_set == ["Brightness 20", "Power Line Frequency 2"]
    for invalid, words in (
        ({"brightness": 65}, "brightness has to be a whole number from -64 to 64 in steps of 2"),
        ({"brightness": 3}, "in steps of 2"),
        ({"brightness": False}, "whole number"),
        ({"brightness": 10, "power_line_frequency": "55 Hz"}, "one of: Disabled, 50 Hz, 60 Hz"),
        ({"pan": 1}, "there is no control 'pan'; there is: auto_exposure, brightness"),
    ):
        status, answer = patch(invalid)
        assert status == 422
        assert words in answer["error"]["message"]
    no_controls: tuple[object, ...] = ([], {}, "brightness", None)
    for body in no_controls:
        assert patch(body)[0] == 400
    assert len(server.webcam.controls_set) == 2
    server.webcam.inject_fault("unplugged")
    server.wait_for_state("failing")
    server.webcam.clear_fault("unplugged")
    server.assert_recovered()
    assert server.webcam.controls_set[2:] == ["Brightness 20", "Power Line Frequency 2"]
    kept = json.loads((server.webcam.path.parent / "state" / "controls.json").read_text())
    assert kept == {"front": {"brightness": 20, "power_line_frequency": "60 Hz"}}
