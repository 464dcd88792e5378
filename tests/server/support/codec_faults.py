"""What a viewer and the owner of a camera see of a fault of the hardware encoder, and what it leaves behind."""

import asyncio
import contextlib
import logging
import threading
import time
from dataclasses import dataclass, field
from typing import Any

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.picamera2 import Picamera2Source

from tests.server.support.codec_rig import SIZE, Rig, bars, descriptors, names
from tests.server.support.scripted_camera import supervised, until

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
    "interrupted": ("errors", "DQBUF * EINTR 5 3\nQBUF output EINTR 5 3", False),
    "interrupted often": ("errors", "QBUF output EINTR 5 40", False),
    "always interrupted": ("errors", "QBUF output EINTR 5", False),
    "does not stop": ("stop_stuck", "", True),
    "stops with an error": ("errors", "STREAMOFF output EIO", False),
}
"""Kind and content of each fault, and whether it also does not stop."""
REPLACED = set(FAULTS) - {
    "garbage at first",
    "interrupted",
    "interrupted often",
    "does not stop",
    "stops with an error",
}
"""The faults after which the recording goes on in software."""
HANGING = {"start never returns", "does not stop"}
"""The faults that last until the driver is given up."""


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


async def watch_fault(rig: Rig, name: str) -> Outcome:
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
