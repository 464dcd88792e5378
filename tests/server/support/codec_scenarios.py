"""What a camera with the hardware encoder does, in a process of its own that has the fake encoder.

`python -m tests.server.support.codec_scenarios FOLDER NAME...` prints JSON: the outcome of each scenario by its name.
"""

import asyncio
import contextlib
import importlib
import io
import json
import logging
import os
import sys
import threading
import time
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from unittest.mock import create_autospec

import numpy as np
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.sources import SourceSettings, picamera2_encoders, picamera2_hardware
from pi_mjpeg_server.sources import picamera2 as picamera2_source
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from PIL import Image

from tests.server.support import picamera2_stubs
from tests.server.support.buffer_sensor import BufferSensor, Planes, planes
from tests.server.support.fake_codec import FakeCodec
from tests.server.support.fake_sensor import CAMERAS, CONTROLS, FakeMappedArray
from tests.server.support.scripted_camera import supervised, until
from tests.server.support.similarity import detailed, ssim

SIZE = (128, 96)
BARS = ((235, 128, 128), (170, 166, 16), (107, 202, 222), (81, 90, 240))
"""Y, Cb and Cr of four colors: white, green-blue, blue-red and red."""


@dataclass
class Outcome:
    """What a viewer and the owner saw of a fault, and what it left behind.

    `encoders` are those of the viewer's recording, `next_encoders` those of the next one, without the fault.
    """

    encoders: list[str] = field(default_factory=list)
    states: list[tuple[str, str | None]] = field(default_factory=list)
    gap: float = 0.0
    warnings: list[str] = field(default_factory=list)
    drops: int = 0
    stop: float = 0.0
    next_encoders: list[str] = field(default_factory=list)
    next_note: str | None = None
    descriptors: int = 0
    threads: list[str] = field(default_factory=list)
    buffers: int = 0


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


def pictures(rig: Rig) -> dict[str, Any]:
    """Return the colors in the middle of the bars of a few pictures, by both encoders, and what the driver was told."""
    outcome: dict[str, Any] = {}
    for fault in (None, "absent"):
        sensor = rig.sensor(bars())
        if fault:
            rig.codec.inject_fault(fault)
        source = Picamera2Source(SourceSettings(size=SIZE, fps=15, quality=80))
        source.open()
        before = time.monotonic()
        recording = source.frames()
        taken = list(islice((picture for picture in recording if picture is not None), 8))
        recording.close()  # type: ignore[attr-defined]  # it is a generator
        source.close()
        colors = []
        for each in taken[4:6]:
            with Image.open(io.BytesIO(each.jpeg)) as image:
                assert image.size == SIZE
                colors.append([image.convert("YCbCr").getpixel((16 + 32 * bar, 48)) for bar in range(4)])
        outcome[names(sensor.encoders)[0]] = {
            "colors": colors,
            "times": [before <= each.taken <= time.monotonic() for each in taken],
            "log": rig.log,
        }
    return outcome


def cycles(rig: Rig) -> dict[str, Any]:
    """Return how many descriptors and threads ten recordings leave behind, and how many buffers came back."""
    sensor = rig.sensor(bars())
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15))
    source.open()
    before = None
    for _ in range(11):
        recording = source.frames()
        assert next(picture for picture in recording if picture is not None)
        recording.close()  # type: ignore[attr-defined]  # it is a generator
        before = before or (descriptors(), threading.active_count())
    return {
        "descriptors": descriptors() - before[0] if before else None,
        "threads": threading.active_count() - before[1] if before else None,
        "buffers": len(sensor.free),
        "encoders": sorted(set(names(sensor.encoders))),
        "closed": rig.log.count("close"),
    }


def quality(rig: Rig) -> dict[str, Any]:
    """Return mean size in bytes, and similarity to the sensor's, of the pictures of both encoders, by their quality."""
    size = (320, 240)
    picture = detailed(size)
    outcome: dict[str, Any] = {}
    for wanted in (50, 80, 95):
        for fault in (None, "absent"):
            sensor = rig.sensor([picture], size)
            if fault:
                rig.codec.inject_fault(fault)
            source = Picamera2Source(SourceSettings(size=size, fps=20, quality=wanted))
            source.open()
            recording = source.frames()
            # The bit rate needs a few pictures to settle.
            taken = list(islice((picture for picture in recording if picture is not None), 20))[-8:]
            recording.close()  # type: ignore[attr-defined]  # it is a generator
            source.close()
            mean = sum(len(each.jpeg) for each in taken) / len(taken)
            similarity = sum(ssim(picture[: size[1], : size[0]], each.jpeg) for each in taken) / len(taken)
            outcome.setdefault(names(sensor.encoders)[0], {})[str(wanted)] = mean, similarity
    return outcome


def silent_camera(rig: Rig) -> dict[str, Any]:
    """Return what is said of an encoder that has nothing to encode, because the camera gives no more pictures."""
    sensor = rig.sensor(bars())
    picamera2_hardware.PICTURE_TIMEOUT = 0.5
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15))
    source.open()
    recording = source.frames()
    assert next(picture for picture in recording if picture is not None)
    sensor.unplugged = True
    time.sleep(0.2)
    silent = list(islice(recording, 21))[1:]
    recording.close()  # type: ignore[attr-defined]  # it is a generator
    return {"silent": silent, "encoders": names(sensor.encoders), "note": source.open().note}


def descriptors() -> int:
    """Return how many descriptors are open."""
    return len(list(Path("/proc/self/fd").iterdir()))


FAULTS = {
    "busy at open": ("errors", "OPEN * EBUSY", False),
    "busy at start": ("errors", "STREAMON capture EBUSY", False),
    "no memory": ("errors", "REQBUFS capture ENOMEM", False),
    "start never returns": ("errors", "STREAMON output 3000ms", False),
    "stalls": ("stalled", "5", False),
    "stalls and does not stop": ("stalled", "5", True),
    "broken pipe": ("errors", "DQBUF capture EPIPE 5", False),
    "pictures refused": ("errors", "QBUF output EINVAL 5", False),
    "pictures kept": ("errors", "DQBUF output EIO 5", False),
    "truncated": ("truncated", "5", False),
    "garbage at first": ("garbage", "0 1", False),
    "does not stop": ("stop_stuck", "", True),
    "stops with an error": ("errors", "STREAMOFF output EIO", False),
}
"""Kind and content of each fault, and whether it also does not stop."""
REPLACED = set(FAULTS) - {"garbage at first", "does not stop", "stops with an error"}
"""The faults after which the recording goes on in software."""


async def fault(rig: Rig, name: str) -> Outcome:
    """Have a viewer watch while the fault happens, then let the next one watch without it."""
    kind, content, stop_stuck = FAULTS[name]
    sensor = rig.sensor(bars())
    outcome = Outcome()
    handler = logging.Handler()
    handler.emit = lambda record: outcome.warnings.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("pi_mjpeg_server.sources").addHandler(handler)
    before, threads = descriptors(), set(threading.enumerate())
    camera = Camera(CameraSettings("front", "Front", requested=SourceSettings(size=SIZE, fps=50)), Picamera2Source)
    rig.codec.inject_fault(kind, content)
    camera.on_change.append(lambda: outcome.states.append((str(camera.state), camera.reason)))
    async with supervised(camera):
        with camera.viewing(ViewerStats("127.0.0.1", None)):
            if stop_stuck:
                rig.codec.inject_fault("stop_stuck")
            outcome.gap = await longest_gap(camera, lambda: len(sensor.encoders) > (name in REPLACED))
            outcome.encoders = names(sensor.encoders)
            outcome.drops = camera.capture_drops
        began = time.monotonic()
    outcome.stop = time.monotonic() - began
    rig.codec.clear_fault(kind)
    known = len(sensor.encoders)
    camera = Camera(CameraSettings("front", "Front", requested=SourceSettings(size=SIZE, fps=50)), Picamera2Source)
    async with supervised(camera):
        with camera.viewing(ViewerStats("127.0.0.1", None)):
            await longest_gap(camera, lambda: True)
            outcome.next_encoders = names(sensor.encoders[known:])
            outcome.next_note = camera.source_info.note
    rig.codec.clear_fault("stop_stuck")
    logging.getLogger("pi_mjpeg_server.sources").removeHandler(handler)
    with contextlib.suppress(AssertionError):
        await until(lambda: not leftovers(threads) and descriptors() <= before)
    outcome.threads = leftovers(threads)
    outcome.descriptors = descriptors() - before
    outcome.buffers = len(sensor.free)
    return outcome


def leftovers(before: set[threading.Thread]) -> list[str]:
    """Return the names of the threads that were started since."""
    return [thread.name for thread in set(threading.enumerate()) - before if not thread.name.startswith("asyncio")]


async def longest_gap(camera: Camera, is_settled: Any) -> float:  # noqa: ANN401  (a condition)
    """Wait until twenty pictures came after `is_settled`. Return the longest time between two, in seconds."""
    last, gap, left, at = -1, 0.0, 20, None
    began = time.monotonic()
    while left:
        assert time.monotonic() - began < 15, f"no pictures: {camera.status}"
        await asyncio.sleep(0.005)
        frame = camera.broadcast.latest
        if frame is None or frame.drawn or frame.sequence == last:
            continue
        now = time.monotonic()
        gap = max(gap, now - at) if at is not None else 0.0
        last, at = frame.sequence, now
        left -= bool(is_settled())
    return gap


SCENARIOS = {"pictures": pictures, "cycles": cycles, "quality": quality, "silent camera": silent_camera}


def main(folder: Path, wanted: list[str]) -> None:
    """Run the scenarios and print their outcomes."""
    rig = Rig(FakeCodec(folder))
    outcomes: dict[str, Any] = {}
    picamera2_source._HEARTBEAT = 0.05  # noqa: SLF001  (a test has to be quick)
    for name in wanted:
        if name in FAULTS:
            picamera2_hardware.PICTURE_TIMEOUT, picamera2_hardware.CALL_TIMEOUT = 0.5, 1.0
            picamera2_hardware.FAULTY_STOP_TIMEOUT = 0.5
            outcomes[name] = asdict(asyncio.run(fault(rig, name)))
        else:
            outcomes[name] = SCENARIOS[name](rig)
    json.dump(outcomes, sys.stdout)
    sys.stdout.flush()
    # A driver call that never returns keeps its thread.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
