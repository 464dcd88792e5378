"""The contiguous memory of a Pi: a mock of Picamera2 can be configured and started only with what is there."""

import errno
from typing import Any

from tests.server.support.fake_sensor import Untyped

MEGABYTE = 1_000_000


class FakeMemory:
    """Lets a mock of Picamera2 remember its configuration, and fail like libcamera if that takes too much memory.

    The sensor's own pictures count too, 1.25 bytes a pixel, as they do on a Pi. With `start` the memory is asked for
    when the camera is started. A camera that was configured once refuses to tell its modes, which would configure it
    anew.
    """

    def __init__(self, camera: Untyped, megabytes: float, *, start: float = 10_000) -> None:
        self.camera, self.bytes, self.bytes_at_start = camera, megabytes * MEGABYTE, start * MEGABYTE
        self.tried: list[tuple[tuple[int, int], int]] = []
        self.sensor: list[Any] = []
        self.configuration: dict[str, Any] = {}
        camera.create_video_configuration.side_effect = lambda **given: given
        camera.configure.side_effect = self.configure
        camera.camera_configuration.side_effect = lambda: self.configuration
        camera.start_recording.side_effect = self.start

    def configure(self, given: dict[str, Any]) -> None:
        """Allocate the memory, or fail."""
        self.tried.append((given["main"]["size"], given["buffer_count"]))
        self.sensor.append(given["sensor"])
        if self.needed(given) > self.bytes:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.configuration = given

    def start(self, *_: object) -> None:
        """Allocate what libcamera needs for itself, or fail in its words."""
        if self.needed(self.configuration) > self.bytes_at_start:
            raise RuntimeError("Failed to start camera: Cannot allocate memory")

    @staticmethod
    def needed(given: dict[str, Any]) -> float:
        """Return how many bytes a configuration takes."""
        width, height = given["main"]["size"]
        raw_width, raw_height = given["sensor"].get("output_size", (0, 0))
        return float((width * height * 1.5 + raw_width * raw_height * 1.25) * given["buffer_count"])
