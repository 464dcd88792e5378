"""What a camera with the hardware encoder does, in a process of its own that has the fake encoder.

`python -m tests.server.support.codec_scenarios FOLDER NAME...` prints JSON: the outcome of each scenario by its name.
"""

import asyncio
import io
import json
import os
import sys
import threading
import time
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

from pi_mjpeg_server.sources import SourceSettings, picamera2_hardware
from pi_mjpeg_server.sources import picamera2 as picamera2_source
from pi_mjpeg_server.sources.picamera2 import Picamera2Source
from PIL import Image

from tests.server.support.codec_faults import FAULTS, HANGING, REPLACED, watch_fault
from tests.server.support.codec_rig import SIZE, Rig, bars, descriptors, names
from tests.server.support.fake_codec import FakeCodec
from tests.server.support.similarity import detailed, ssim


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
                colors.append([image.convert("YCbCr").getpixel((12 + 24 * bar, 40)) for bar in range(4)])
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
    picamera2_hardware.PICTURE_TIMEOUT = 1.0
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15))
    source.open()
    recording = source.frames()
    assert next(picture for picture in recording if picture is not None)
    sensor.unplugged = True
    time.sleep(0.2)
    silent = list(islice(recording, 31))[1:]
    recording.close()  # type: ignore[attr-defined]  # it is a generator
    return {"silent": silent, "encoders": names(sensor.encoders), "note": source.open().note}


def late_return(rig: Rig) -> dict[str, Any]:
    """Return what is left of an encoder whose driver gives a picture back long after it was told to stop."""
    sensor = rig.sensor(bars())
    picamera2_hardware.CALL_TIMEOUT = 0.3
    source = Picamera2Source(SourceSettings(size=SIZE, fps=15))
    source.open()
    before, threads = descriptors(), threading.active_count()
    recording = source.frames()
    assert next(picture for picture in recording if picture is not None)
    rig.codec.inject_fault("errors", "DQBUF output 1000ms")
    time.sleep(0.2)
    recording.close()  # type: ignore[attr-defined]  # it is a generator
    given_back = len(sensor.free)
    rig.codec.clear_fault("errors")
    until = time.monotonic() + 15
    while (descriptors(), threading.active_count()) != (before, threads) and time.monotonic() < until:
        time.sleep(0.05)
    left = descriptors() - before, threading.active_count() - threads
    return {"given back": given_back, "left": left, "log": rig.log[-1:], "note": source.open().note}


def controls(rig: Rig) -> dict[str, Any]:
    """Return the controls with which a recording goes on in software, after some were changed."""
    sensor = rig.sensor(bars())
    rig.codec.inject_fault("stalled", "5")
    picamera2_hardware.PICTURE_TIMEOUT = 0.5
    source = Picamera2Source(SourceSettings(size=SIZE, fps=20, controls={"Brightness": 0.1}))
    source.open()
    recording = source.frames()
    assert next(picture for picture in recording if picture is not None)
    source.set_control("Brightness", 0.5)
    source.limit_rate(10)
    while len(sensor.encoders) < 2:
        next(recording)
    sent = rig.kind.return_value.set_controls.call_args.args[0]
    recording.close()  # type: ignore[attr-defined]  # it is a generator
    return {"sent": sent}


SCENARIOS = {
    "pictures": pictures,
    "cycles": cycles,
    "quality": quality,
    "silent camera": silent_camera,
    "controls": controls,
    "late return": late_return,
}


def main(folder: Path, wanted: list[str]) -> None:
    """Run the scenarios and print their outcomes."""
    rig = Rig(FakeCodec(folder))
    outcomes: dict[str, Any] = {}
    picamera2_source._HEARTBEAT = 0.05  # noqa: SLF001  (a test has to be quick)
    for name in wanted:
        if name in FAULTS:
            # Short where the fault uses it up, and as it is where a busy machine would be taken for a fault.
            picamera2_hardware.PICTURE_TIMEOUT = 0.5 if name in REPLACED else 2.0
            picamera2_hardware.CALL_TIMEOUT = 1.0 if name in HANGING else 3.0
            picamera2_hardware.FAULTY_STOP_TIMEOUT = 0.5
            outcomes[name] = asdict(asyncio.run(watch_fault(rig, name)))
        else:
            outcomes[name] = SCENARIOS[name](rig)
    json.dump(outcomes, sys.stdout)
    sys.stdout.flush()
    # A driver call that never returns keeps its thread.
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
