"""A camera that was switched off is off after any end of the process, and its device is never opened meanwhile."""

import asyncio
import json
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tooling.network import answers, free_ports
from tooling.processes import Program

_SOURCE = """
from pathlib import Path
from pi_mjpeg_server.sources.emulated import EmulatedSource

class Light(EmulatedSource):
    def open(self):
        with Path(__file__).with_name("opened").open("a") as file:
            file.write("x")
        return super().open()
"""


class Machine:
    """A machine whose server is killed and started again; its camera counts how often it is opened."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._port = free_ports(0)[0]
        self.program: Program | None = None
        (folder / "light_camera.py").write_text(_SOURCE)
        (information := folder / "light_camera-1.0.dist-info").mkdir()
        (information / "METADATA").write_text("Metadata-Version: 2.1\nName: light-camera\nVersion: 1.0\n")
        (information / "entry_points.txt").write_text("[pi_mjpeg.sources]\nlight = light_camera:Light\n")
        (folder / "config.toml").write_text(
            f"[server]\nhost = '127.0.0.1'\nport = {self._port}\nstate_dir = '{folder / 'state'}'\nzeroconf = false\n"
            "[[camera]]\nid = 'front'\nsource = 'light'\nsize = [320, 240]\n"
        )

    @property
    def settings(self) -> Path:
        """The file that is kept."""
        return self._folder / "state" / "settings.json"

    @property
    def opened(self) -> int:
        """How often the device was opened."""
        file = self._folder / "opened"
        return len(file.read_text()) if file.exists() else 0

    def start(self) -> None:
        """Start the server and wait until it answers."""
        command = [sys.executable, "-m", "pi_mjpeg_server", "run", "--no-auth"]
        command += ["--config", str(self._folder / "config.toml")]
        self.program = Program("server", command, self._folder / "log", {"PYTHONPATH": str(self._folder)})
        self.program.start()
        asyncio.run(self.program.wait_until(lambda: answers("127.0.0.1", self._port), 30))

    def kill(self) -> None:
        """End the server as a power cut does."""
        assert self.program is not None
        self.program.kill()

    def request(self, path: str, method: str = "GET", body: object = None) -> tuple[int, bytes]:
        """Return status and body of an answer."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{self._port}{path}", data, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def camera(self) -> dict[str, Any]:
        """Return the camera's state."""
        document: dict[str, Any] = json.loads(self.request("/api/state")[1])["cameras"][0]
        return document


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(tmp_path)
    machine.start()
    yield machine
    if machine.program is not None:
        machine.program.stop()


def test_a_kill_right_after_the_answer_changes_nothing(machine: Machine) -> None:
    for enabled in (False, True, False):
        assert machine.request("/api/cameras/front", "PATCH", {"enabled": enabled})[0] == 200
        machine.kill()
        machine.start()
        assert machine.camera()["enabled"] is enabled
        status, _ = machine.request("/cameras/front/snapshot.jpg")
        assert status == (200 if enabled else 409)


def test_the_device_is_not_opened_by_a_start_while_it_is_off(machine: Machine) -> None:
    assert machine.request("/cameras/front/snapshot.jpg")[0] == 200
    assert machine.request("/api/cameras/front", "PATCH", {"enabled": False})[0] == 200
    opened = machine.opened
    for _ in range(2):
        machine.kill()
        machine.start()
        assert machine.request("/cameras/front/snapshot.jpg")[0] == 409
    assert machine.opened == opened > 0
    assert machine.request("/api/cameras/front", "PATCH", {"enabled": True})[0] == 200
    assert machine.request("/cameras/front/snapshot.jpg")[0] == 200
    assert machine.opened == opened + 1


def test_a_settings_file_that_is_damaged_while_it_does_not_run_means_off_until_a_person_says_otherwise(
    machine: Machine,
) -> None:
    machine.kill()
    opened = machine.opened
    machine.settings.write_bytes(b"\0" * 4096)
    for _ in range(2):
        machine.start()
        camera = machine.camera()
        assert (camera["state"], camera["reason"]) == ("off", "the privacy settings cannot be read")
        machine.kill()
    machine.start()
    assert machine.opened == opened
    assert machine.request("/api/cameras/front", "PATCH", {"enabled": True})[0] == 200
    machine.kill()
    machine.start()
    assert machine.camera()["enabled"] is True
