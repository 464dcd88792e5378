"""A real server with an odd webcam and a good camera, and clients that check what they see while all goes wrong."""

import asyncio
import json
import random
import shutil
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema_rs
from tooling.network import answers, free_ports
from tooling.processes import Program

from tests.server.support.fake_webcam import FakeWebcam, environment
from tests.server.support.odd_devices import Device, random_device, random_faults, sane_device
from tests.server.support.stream_recorder import StreamRecorder

MAX_SILENCE = 2.5
"""Seconds. The server promises one; a machine with other work to do adds to it."""
RECOVERY_TIMEOUT = 12.0
"""Seconds from the end of all faults to a live picture: calls that are under way, a deadline, and a retry after 3 s."""
_FAULTS = (
    *("unplugged", "busy", "silent", "stuck", "stop_stuck", "stamp", "clock", "buffer", "capabilities", "errors"),
)
_CONFIGURATION = """
[server]
host = "127.0.0.1"
port = {port}
state_dir = "{folder}/state"
zeroconf = false
[[camera]]
id = "front"
source = "v4l2"
device = "{folder}/video0"
size = [64, 48]
linger = 0.3
[[camera]]
id = "good"
source = "emulated"
size = [64, 48]
"""


class OddWorld:
    """The server and its clients. `counts` says what was tried, and what was answered."""

    def __init__(self, folder: Path, seed: int) -> None:
        """Prepare a server with its state in `folder`; all that is random follows from `seed`."""
        self.counts: Counter[str] = Counter()
        self.states: list[bytes] = []
        self.longest_silence = 0.0
        self.longest_recovery = 0.0
        self._rng = random.Random(seed)  # noqa: S311  (repeatable, no secret)
        (self._port,) = free_ports(0)
        self._folder = folder
        self._device = sane_device()
        self._webcam = self._plug_in(self._device)
        (folder / "config.toml").write_text(_CONFIGURATION.format(port=self._port, folder=folder))
        arguments = ["-m", "tests.server.support.short_deadlines", "run", "--no-auth", "--log-level", "warning"]
        command = [sys.executable, *arguments, "--config", str(folder / "config.toml")]
        self.program = Program("pi-mjpeg", command, folder / "server.log", environment(folder))
        self._state_shape = _state_shape()
        self._seen: dict[StreamRecorder, int] = {}

    def start(self) -> None:
        """Start the server and a viewer of each camera."""
        self.program.start()
        asyncio.run(self.program.wait_until(lambda: answers("127.0.0.1", self._port), 60))
        self._good = StreamRecorder(self._port, "/cameras/good/stream")
        self._front = StreamRecorder(self._port, "/cameras/front/stream")
        self._front.wait(drawn=False, seconds=20)
        self._good.wait(drawn=False, seconds=20)
        # Before its first picture, one is drawn for its viewer if the machine is slow.
        self._seen[self._good] = [picture.drawn for picture in self._good.pictures].index(False)

    def stop(self) -> None:
        """Stop all, and check that no traceback is in the log."""
        for fault in _FAULTS:
            self._webcam.clear_fault(fault)
        self._front.close()
        self._good.close()
        self.program.stop()
        log = self.program.log.read_text()
        assert "Traceback" not in log, log[-3000:]

    def resources(self) -> tuple[int, int]:
        """Return the numbers of threads and descriptors of the server at rest, with the two viewers."""
        process = Path("/proc") / str(self.program.pid)
        now = last = (0, 0)
        # Threads that were abandoned end after their call; a new connection is closed after its response.
        for _ in range(40):
            time.sleep(0.1)
            now = len(list((process / "task").iterdir())), len(list((process / "fd").iterdir()))
            if now == last:
                break
            last = now
        return now

    def open_files(self) -> Counter[str]:
        """Return how many descriptors the server has of each kind, to say what was not closed."""
        links = [each.readlink() for each in (Path("/proc") / str(self.program.pid) / "fd").iterdir()]
        return Counter(str(link) if "anon_inode" in str(link) else str(link).partition(":[")[0] for link in links)

    def round(self) -> None:
        """Let some of it go wrong, let clients act meanwhile, mend it, and check what was promised."""
        self.counts["rounds"] += 1
        if self._rng.random() < 0.4:
            self._replug(random_device(self._rng))
            self.counts["odd webcams"] += 1
        faults = random_faults(self._rng)
        for fault, content in faults.items():
            self._webcam.inject_fault(fault, content)
            self.counts[f"fault {fault}"] += 1
        until = time.monotonic() + self._rng.uniform(0.1, 1.5)
        while time.monotonic() < until:
            self._act()
            time.sleep(self._rng.uniform(0.02, 0.2))
        self._check_state()
        for fault in faults:
            self._webcam.clear_fault(fault)
        if not self._device.has_pictures or self._rng.random() < 0.3:
            self._replug(sane_device())
        self._check_recovery(faults)
        self._check_silence()

    def _plug_in(self, device: Device) -> FakeWebcam:
        self._device = device
        shutil.rmtree(self._folder / "video0", ignore_errors=True)
        return FakeWebcam(self._folder / "video0", device.frames, device.modes, device.controls)

    def _replug(self, device: Device) -> None:
        """Unplug the webcam and plug in another one."""
        self._webcam.inject_fault("unplugged")
        time.sleep(0.1)
        self._webcam = self._plug_in(device)

    def _act(self) -> None:
        action = self._rng.choice((self._check_state, self._still, self._set_control, self._restart, self._look_away))
        action()

    def _still(self) -> None:
        """A still is a picture, or it is refused with a reason."""
        status, body = self._request("GET", f"/cameras/{self._rng.choice(('front', 'good'))}/snapshot.jpg", timeout=10)
        assert status in {200, 503}, body
        assert body.startswith(b"\xff\xd8") if status == 200 else json.loads(body)["error"]["message"]

    def _set_control(self) -> None:
        controls = self._state()["cameras"][0]["controls"]
        if not controls:
            return
        control = self._rng.choice(controls)
        values = control["options"] or [control["minimum"], control["maximum"], True, False, -1, "x"]
        body = json.dumps({control["name"]: self._rng.choice(values)}).encode()
        status, answer = self._request("PATCH", "/api/cameras/front/controls", body, timeout=10)
        assert status in {200, 422, 503}, answer

    def _restart(self) -> None:
        status, answer = self._request("POST", "/api/cameras/front/restart", b"")
        assert status in {204, 503}, answer

    def _look_away(self) -> None:
        """Leave the camera without a viewer until it rests, and come back."""
        self._check_silence()
        self._seen.pop(self._front, None)
        self._front.close()
        time.sleep(self._rng.choice((0.0, 0.1, 0.5)))
        self._front = StreamRecorder(self._port, "/cameras/front/stream")

    def _check_state(self) -> None:
        self._state()

    def _state(self) -> dict[str, Any]:
        """Return `/api/state`, which always has the shape that is published."""
        status, body = self._request("GET", "/api/state")
        assert status == 200
        state: dict[str, Any] = json.loads(body)
        self.states.append(body)
        errors = [f"{error.instance_path}: {error.message}" for error in self._state_shape.iter_errors(state)]
        assert errors == [], errors
        good = state["cameras"][1]
        assert (good["state"], good["restarts"], good["last_error"]) == ("live", 0, None), good
        assert state["cameras"][0]["state"] != "stuck", state["cameras"][0]
        return state

    def _check_recovery(self, faults: dict[str, str]) -> None:
        if not self._device.has_pictures:
            return
        began = time.monotonic()
        try:
            self._front.wait(drawn=False, seconds=RECOVERY_TIMEOUT)
        except AssertionError as error:
            front = {key: value for key, value in self._state()["cameras"][0].items() if key != "controls"}
            raise AssertionError(f"no recovery from {faults} of {self._device}: {front}") from error
        self.longest_recovery = max(self.longest_recovery, time.monotonic() - began)

    def _check_silence(self) -> None:
        """Check the viewers' pictures since the last time."""
        for recorder in (self._front, self._good):
            before = self._seen.get(recorder, 0)
            pictures = recorder.pictures[before:]
            self._seen[recorder] = before + max(0, len(pictures) - 1)
            self.counts["pictures received"] += max(0, len(pictures) - 1)
            times = [picture.received for picture in pictures] + [time.monotonic()]
            silence = max((later - earlier for earlier, later in pairwise(times)), default=0.0)
            self.longest_silence = max(self.longest_silence, silence)
            assert silence < MAX_SILENCE, f"a viewer was sent nothing for {silence:.2f} s"
            assert recorder is self._front or not any(picture.drawn for picture in pictures)

    def _request(self, method: str, path: str, body: bytes | None = None, timeout: float = 5) -> tuple[int, bytes]:
        url = f"http://127.0.0.1:{self._port}{path}"
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, body, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=timeout) as answer:  # noqa: S310  (http)
                status, received = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, received = error.code, error.read()
        self.counts[f"{method} {path.rpartition('/')[2]} {status}"] += 1
        return status, received


def _state_shape() -> Any:  # noqa: ANN401  (jsonschema_rs has no type for it)
    published = json.loads((files("pi_mjpeg_server.web") / "static/openapi.json").read_text())
    schema = published["components"]["schemas"]["State"] | {"components": published["components"]}
    return jsonschema_rs.validator_for(schema)
