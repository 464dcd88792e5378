"""A sensor with more pixels than are streamed, as strict as Picamera2 about the order of calls, and with faults."""

import threading
import time
from collections.abc import Callable
from types import SimpleNamespace
from unittest.mock import DEFAULT

import numpy as np

from tests.server.support.fake_sensor import CONTROLS, FakeSensor, Untyped, request

RESOLUTION = (128, 96)
FULL_CROP = (0, 0, 8000, 6000)
"""The largest crop in the mode of a still; the stream's has another one."""
EXPOSURE = 0.03
"""Seconds until a request is completed."""


class FakeStillSensor(FakeSensor):
    """Also takes stills. With one buffer, no request is completed while another one is held.

    `before` has a function for each step that does something else than usual, such as raise or wait: `stop`,
    `configure`, `start`, `capture`, `encode`, `stop still`, `back` and `start back`.
    """

    def __init__(self, kind: Untyped, resolution: tuple[int, int] = RESOLUTION) -> None:
        """Take over what the class `kind` of Picamera2 returns. Each time it is called, the camera is opened anew."""
        super().__init__(kind.return_value)
        self.resolution = resolution
        self.before: dict[str, Callable[[], None]] = {}
        self.modes: list[str] = []
        self.sent: list[tuple[str, dict[str, object]]] = []
        self.opened = 0
        self.held = 0
        self.configuration: dict[str, Untyped] = {}
        self.is_started = False
        self.late_jobs = False
        self.still_metadata: dict[str, object] = {}
        kind.side_effect = self.open
        camera = self.camera
        camera.sensor_resolution = resolution
        camera.camera_configuration.side_effect = lambda: self.configuration
        camera.create_video_configuration.side_effect = lambda **settings: {"use_case": "video", **settings}
        camera.create_still_configuration.side_effect = lambda **settings: {"use_case": "still", **settings}
        camera.configure.side_effect = self.configure
        camera.set_controls.side_effect = lambda controls: self.sent.append((self.mode, dict(controls)))
        camera.start.side_effect = self.start_still
        camera.stop.side_effect = self.stop_still
        camera.capture_request.side_effect = self.capture
        camera.wait.side_effect = lambda job, timeout: job.result(timeout)
        camera.cancel_all_and_flush.side_effect = self.cancel
        camera.close.side_effect = self.reset

    @property
    def mode(self) -> str:
        """Return `video`, `still`, or nothing."""
        return str(self.configuration.get("use_case", ""))

    def open(self, **_: object) -> object:
        """Open the camera; what an abandoned call left behind has no effect on it."""
        self.reset()
        self.opened += 1
        return DEFAULT

    def reset(self) -> None:
        """Stop whatever runs."""
        self.stopping.set()
        self.configuration, self.is_started, self.held = {}, False, 0
        self.job: FakeJob | None = None

    def step(self, name: str) -> None:
        """Do what was injected for a step, once."""
        opened = self.opened
        self.before.pop(name, lambda: None)()
        if self.opened != opened:
            raise RuntimeError("this Picamera2 was abandoned")

    def configure(self, configuration: dict[str, Untyped]) -> None:
        """Refuse it while the camera runs, as Picamera2 does. A failure leaves it without a configuration."""
        if self.is_started:
            raise RuntimeError("Camera must be stopped before configuring")
        mode = configuration["use_case"]
        self.configuration = {}
        if mode == "still":
            self.step("configure")
        elif self.modes[-1:] == ["still"]:
            self.step("back")
        self.configuration = configuration
        self.modes.append(mode)
        crop = {"ScalerCrop": ((0, 0, 64, 64), FULL_CROP, FULL_CROP)} if mode == "still" else {}
        self.camera.camera_controls = CONTROLS | crop | {"LensPosition": (0.0, 10.0, 1.0), "AfMode": (0, 2, 0)}

    def start(self, encoder: Untyped, output: Untyped) -> None:
        """Start to record."""
        if self.mode != "video" or self.is_started:
            raise RuntimeError("Camera has not been configured")
        if self.modes.count("still"):
            self.step("start back")
        self.is_started = True
        super().start(encoder, output)

    def stop(self) -> None:
        """Stop to record."""
        self.step("stop")
        super().stop()
        self.is_started = False

    def start_still(self, config: object = None, show_preview: object = False) -> None:  # noqa: FBT002
        """Start without an encoder."""
        assert (config, show_preview) == (None, False)
        if self.mode != "still" or self.is_started:
            raise RuntimeError("Camera has not been configured")
        self.step("start")
        self.is_started = True

    def stop_still(self) -> None:
        """Stop the camera; nothing happens when it does not run."""
        self.step("stop still")
        self.is_started = False

    def capture(self, wait: object = None, signal_function: object = None, flush: object = None) -> "FakeJob":
        """Return a job for the next request."""
        assert (wait, signal_function, flush) == (False, None, None)
        if not self.is_started:
            raise RuntimeError("the camera does not run")
        self.step("capture")
        self.job = FakeJob(self)
        return self.job

    def cancel(self) -> None:
        """Cancel all jobs but those that are completed at this moment."""
        if self.job is not None:
            self.job.cancelled = not self.late_jobs
            self.job.completed = self.late_jobs
            self.held += self.late_jobs


class FakeJob:
    """A job of Picamera2's, which is completed after `EXPOSURE` seconds."""

    def __init__(self, sensor: FakeStillSensor) -> None:
        self.sensor = sensor
        self.due = time.monotonic() + EXPOSURE
        self.cancelled = self.completed = False

    def result(self, timeout: float) -> SimpleNamespace:
        """Wait for the request as Picamera2 does."""
        if self.cancelled:
            raise RuntimeError("cancelled")
        sensor = self.sensor
        if (sensor.held or sensor.late_jobs) and not self.completed:
            time.sleep(timeout)
            raise TimeoutError
        time.sleep(max(0.0, self.due - time.monotonic()))
        sensor.held += not self.completed
        width, height = sensor.resolution
        made = request(200, sensor.still_metadata)
        made.config = {"main": {"size": sensor.resolution, "format": "YUV420"}}
        made.arrays = {"main": np.full((height * 3 // 2, width), 128, dtype=np.uint8)}
        made.release = self._release
        return made

    def _release(self) -> None:
        assert self.sensor.held == 1
        self.sensor.held -= 1


def hang(seconds: float = 10) -> tuple[Callable[[], None], threading.Event]:
    """Return a step that hangs until the event is set, or so long."""
    ended = threading.Event()
    return (lambda: (ended.wait(seconds), None)[1]), ended
