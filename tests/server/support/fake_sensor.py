"""A sensor that feeds pictures to Picamera2's real encoders, and what a mock of Picamera2 says about its camera."""

import sys
import threading
import time
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Self

import numpy as np

CAMERAS = [
    {"Id": "/base/axi/usb@1/cam", "Model": "Webcam"},
    {"Id": "/base/soc/i2c0mux/i2c@1/imx708@1a", "Model": "imx708"},
    {"Id": "/base/soc/i2c0mux/i2c@0/imx219@10", "Model": "imx219"},
]
SIZE = (64, 48)
CONTROLS = {
    "Brightness": (-1.0, 1.0, 0.0),
    "AeEnable": (False, True, True),
    "ExposureTime": (29, 66666, 20000),
    "AwbMode": (0, 2, 0),
    "ColourGains": (0.0, 32.0, None),
    "FrameDurationLimits": (33333, 120000, None),
    "ScalerCrop": ((0, 0, 640, 480), (100, 200, 4000, 3000), (100, 200, 4000, 3000)),
}

Untyped = Any
"""An object of Picamera2, which has no type annotations; autospec checks the calls."""


class FakeSensor:
    """Feeds YUV420 pictures to a real encoder, as Picamera2's camera thread does, each 10 levels brighter."""

    def __init__(self, camera: Untyped, *metadata: dict[str, object]) -> None:
        """Give the first pictures these metadata, and all later ones the last of them."""
        self.camera, self.metadata = camera, list(metadata) or [{}]
        self.stopping = threading.Event()
        self.running = 0
        self.encoder: Untyped = None
        camera.start_recording.side_effect = self.start
        camera.stop_recording.side_effect = self.stop
        camera.camera_configuration.return_value = {"main": {"size": SIZE, "format": "YUV420"}}

    def start(self, encoder: Untyped, output: Untyped) -> None:
        """Start the encoder and the camera thread."""
        self.encoder = encoder
        encoder.output = output
        encoder.size, encoder.format, encoder.stride = SIZE, "YUV420", SIZE[0]
        encoder.start()
        self.stopping.clear()
        self.running += 1
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        """Send a picture to the encoder every 10 ms."""
        level = 0
        while not self.stopping.wait(0.01):
            level += 10
            made = request(level % 200, self.metadata[0])
            if len(self.metadata) > 1:
                del self.metadata[0]
            self.camera.pre_callback(made)
            self.encoder.encode("main", made)

    def stop(self) -> None:
        """Stop the thread, then the encoder."""
        self.stopping.set()
        self.thread.join()
        self.encoder.stop()
        self.running -= 1


@dataclass(frozen=True)
class FakeControlId:
    """The key of a value in libcamera's metadata."""

    name: str


class FakeMappedArray:
    """Gives the encoder the array of the request; the real one maps a dma-buf."""

    def __init__(self, request: Untyped, name: str) -> None:
        self.array = request.arrays[name]

    def __enter__(self) -> Self:
        """Map."""
        return self

    def __exit__(self, *_: object) -> None:
        """Unmap."""


def request(level: int, metadata: dict[str, object]) -> SimpleNamespace:
    """Return a completed request with everything that the encoders use."""
    width, height = SIZE
    picture = np.full((height * 3 // 2, width), 128, dtype=np.uint8)
    picture[:height] = level
    timestamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
    control = sys.modules["libcamera"].controls.SensorTimestamp
    named = {FakeControlId(name): value for name, value in {"SensorTimestamp": timestamp, **metadata}.items()}
    return SimpleNamespace(
        config={"main": {"size": SIZE, "format": "YUV420"}},
        arrays={"main": picture},
        request=SimpleNamespace(metadata={control: timestamp, **named}),
        acquire=lambda: None,
        release=lambda: None,
    )
