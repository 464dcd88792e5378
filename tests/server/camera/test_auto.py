"""The source `auto` on a real server: cameras that come and go, and the emulated one that is never taken for one."""

import json
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tooling.network import free_ports
from tooling.processes import Program

from tests.server.support.fake_webcam import FakeWebcam, environment
from tests.server.support.scripted_camera import grey, level_of
from tests.server.support.stream_recorder import StreamRecorder

PROGRAM = """
import sys
from pathlib import Path
from pi_mjpeg_server import cli
from pi_mjpeg_server.camera import supervisor
from pi_mjpeg_server.sources import webcam_paths
webcam_paths.DEVICES = Path(sys.argv[1])
supervisor.FRAME_TIMEOUT = 1.0
sys.exit(cli.main(sys.argv[2:]))
"""


class AutoServer:
    """A server without configuration, beside one webcam that is plugged in or not."""

    def __init__(self, folder: Path) -> None:
        """Make the webcam and describe the server."""
        (self.port,) = free_ports(0)
        self.webcam = FakeWebcam(folder / "video0", [grey(123)])
        arguments: list[str | Path] = [
            "run",
            "--no-auth",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
            "--state-dir",
            folder / "state",
        ]
        command: list[str | Path] = [sys.executable, "-c", PROGRAM, folder, *arguments, "--size", "64x48"]
        self.program = Program("pi-mjpeg", command, folder / "server.log", environment(folder))

    def start(self) -> None:
        """Start the server and wait until it answers."""
        self.program.start()
        deadline = time.monotonic() + 30
        while True:
            try:
                self.state()
            except OSError:
                assert time.monotonic() < deadline, self.program.log.read_text()
                time.sleep(0.1)
            else:
                return

    def state(self) -> dict[str, Any]:
        """Return the camera's part of `/api/state`."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/state", timeout=5) as answer:
            camera: dict[str, Any] = json.load(answer)["cameras"][0]
        return camera

    def wait_for(self, seconds: float, **wanted: object) -> dict[str, Any]:
        """Wait until the state has these values."""
        deadline = time.monotonic() + seconds
        while any((now := self.state())[key] != value for key, value in wanted.items()):
            assert time.monotonic() < deadline, (now, self.program.log.read_text())
            time.sleep(0.05)
        return now

    def snapshot(self) -> bytes:
        """Return a picture that is taken now."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/snapshot.jpg", timeout=30) as answer:
            data: bytes = answer.read()
        return data


@pytest.fixture
def server(tmp_path: Path) -> Iterator[AutoServer]:
    server = AutoServer(tmp_path)
    yield server
    server.program.stop()
    assert "Traceback" not in server.program.log.read_text()


@pytest.mark.parametrize("watched", [False, True], ids=["at rest", "watched"])
def test_a_camera_that_comes_later_takes_the_place_of_the_emulated_one(server: AutoServer, *, watched: bool) -> None:
    server.webcam.inject_fault("unplugged")
    server.start()
    emulated = server.wait_for(10, source="emulated", available=True)
    assert "no other was found" in emulated["note"]
    viewer = StreamRecorder(server.port, "/stream") if watched else None
    time.sleep(3)
    server.webcam.clear_fault("unplugged")
    found = server.wait_for(5, source="v4l2", available=True)
    assert found["model"] == "Fake Webcam"
    assert found["note"] is None or "emulated" not in found["note"]
    assert abs(level_of(server.snapshot()) - 123) < 3
    assert found["restarts"] == 0
    if viewer is not None:
        viewer.close()


def test_a_camera_that_goes_away_is_failing_and_never_emulated_and_comes_back(server: AutoServer) -> None:
    server.start()
    server.wait_for(10, source="v4l2", available=True)
    for _ in range(2):
        viewer = StreamRecorder(server.port, "/stream")
        server.wait_for(5, state="live")
        server.webcam.inject_fault("unplugged")
        server.wait_for(5, state="failing", available=False)
        deadline = time.monotonic() + 4
        while time.monotonic() < deadline:
            gone = server.state()
            assert gone["state"] == "failing"
            assert gone["source"] == "v4l2"
            time.sleep(0.1)
        assert "not there any more" in gone["reason"]
        with pytest.raises(urllib.error.HTTPError, match="503"):
            server.snapshot()
        server.webcam.clear_fault("unplugged")
        server.wait_for(5, state="live", source="v4l2")
        assert abs(level_of(server.snapshot()) - 123) < 3
        viewer.close()


def test_a_server_that_starts_without_the_camera_that_it_had_shows_no_emulated_one(server: AutoServer) -> None:
    server.start()
    server.wait_for(10, source="v4l2", available=True)
    server.program.stop()
    server.webcam.inject_fault("unplugged")
    server.start()
    gone = server.wait_for(10, state="failing")
    assert "not there any more" in gone["reason"]
    assert gone["source"] == "auto"
    server.webcam.clear_fault("unplugged")
    server.wait_for(5, source="v4l2", available=True)
