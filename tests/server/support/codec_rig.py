"""The real encoders of Picamera2 in a process that has the fake hardware encoder, with a mock for the camera."""

import importlib
import sys
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock, create_autospec

import numpy as np
from pi_mjpeg_server.sources import picamera2_encoders

from tests.server.support import picamera2_stubs
from tests.server.support.buffer_sensor import BufferSensor, Planes, planes
from tests.server.support.fake_codec import FakeCodec
from tests.server.support.fake_sensor import CAMERAS, CONTROLS, FakeMappedArray

SIZE = (96, 80)
"""Lines have a stride of 128 bytes, as libcamera and the driver align them."""
BARS = ((235, 128, 128), (170, 166, 16), (107, 202, 222), (81, 90, 240))
"""Y, Cb and Cr of four colors: white, green-blue, blue-red and red."""


class Rig:
    """The real Picamera2's encoders, with a mock for its camera and a sensor with buffers."""

    def __init__(self, codec: FakeCodec) -> None:
        """Import Picamera2."""
        picamera2_stubs.install()
        self.codec = codec
        library = importlib.import_module("picamera2")
        self.kind = create_autospec(library.Picamera2)
        self.kind.global_camera_info.return_value = CAMERAS
        self.kind.return_value.camera_controls = CONTROLS
        setattr(library, "Picamera2", self.kind)  # noqa: B010  (a module has no such type)
        setattr(importlib.import_module("picamera2.dma_heap"), "DmaHeap", MagicMock())  # noqa: B010
        setattr(importlib.import_module("picamera2.encoders.jpeg_encoder"), "MappedArray", FakeMappedArray)  # noqa: B010

    def sensor(self, pictures: list[Planes], size: tuple[int, int] = SIZE) -> BufferSensor:
        """Return a sensor, and forget what earlier ones did."""
        picamera2_encoders._hardware_fault = None  # noqa: SLF001  (a new process has none)
        for entry in self.codec.path.iterdir():
            entry.unlink()
        key = sys.modules["libcamera"].controls.SensorTimestamp
        return BufferSensor(self.kind.return_value, pictures, size, key)

    @property
    def log(self) -> list[str]:
        """Return what was done with the encoder, except that Picamera2 looks at each device when it is imported."""
        return self.codec.log


def names(encoders: list[Any]) -> list[str]:
    """Return the names of their classes."""
    return [type(encoder).__name__ for encoder in encoders]


def bars() -> list[Planes]:
    """Return two pictures of the four colors, one the other way round."""

    def picture(colors: tuple[tuple[int, int, int], ...]) -> Planes:
        luma, blue, red = (
            np.repeat([color[plane] for color in colors], SIZE[0] // (8 if plane else 4)) for plane in range(3)
        )
        return planes(np.tile(luma, (SIZE[1], 1)), np.tile(blue, (SIZE[1] // 2, 1)), np.tile(red, (SIZE[1] // 2, 1)))

    return [picture(BARS), picture(BARS[::-1])]


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))
