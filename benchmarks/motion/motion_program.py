"""Debian's `motion` as a peer: it reads scenes as streams, in real time, many at once."""

import asyncio
import contextlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tooling.network import LOOPBACK, free_ports
from tooling.processes import Program
from tooling.programs import program

from benchmarks.motion.scenes import FPS

LEAD = 6.0
"""Seconds in which the first picture is repeated while `motion` connects and starts."""
_EVENT_GAP = 1
_START_TIMEOUT = 30.0

_SERVER = """
daemon off
setup_mode off
log_type ALL
log_level 5
webcontrol_port 0
target_dir {folder}
picture_output off
movie_output off
framerate {fps}
width {width}
height {height}
event_gap {gap}
noise_tune on
despeckle_filter EedDl
minimum_motion_frames 2
on_event_start {note} start %t
on_event_end {note} end %t
{setting}
"""
_NOTE = '#!/bin/sh\necho "$1 $2 $(date +%s.%N)" >> "{folder}/events"\n'

SETTINGS = tuple(
    f"threshold {threshold}\nlightswitch_percent {light}"
    for threshold, light in ((60, 20), (150, 20), (400, 20), (1500, 0))
)
"""Settings to choose the best of; the last is the default."""


@dataclass(frozen=True)
class Run:
    """What `motion` said: for each stream, the seconds in which it saw motion, and its processor time per second."""

    alarms: list[list[float]]
    load: float


def run(streams: Sequence[Sequence[bytes]], size: tuple[int, int], setting: str, folder: Path) -> Run:
    """Let `motion` watch streams of JPEGs at the benchmark's rate, all at once. It keeps its files in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    return asyncio.run(_run(streams, size, setting, folder))


async def _run(streams: Sequence[Sequence[bytes]], size: tuple[int, int], setting: str, folder: Path) -> Run:
    started: dict[int, float] = {}
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        index = int((await reader.readuntil(b"\r\n")).split()[1].strip(b"/"))
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: multipart/x-mixed-replace; boundary=frame\r\n\r\n")
        begin = time.time() + LEAD
        started[index] = begin
        with contextlib.suppress(ConnectionError):
            await _play(streams[index], begin, writer, ended)
        writer.close()

    port = free_ports(0)[0]
    server = await asyncio.start_server(serve, LOOPBACK, port)
    peer = Program(
        "motion", [program("motion"), "-n", "-c", _configure(len(streams), size, setting, folder, port)], folder / "log"
    )
    peer.start()
    try:
        await peer.wait_until(lambda: len(started) == len(streams), _START_TIMEOUT)
        seconds = max(len(stream) for stream in streams) / FPS
        before, at = peer.processor_time, time.monotonic()
        await asyncio.sleep(LEAD + seconds + _EVENT_GAP + 1)
        load = (peer.processor_time - before) / (time.monotonic() - at)
    finally:
        ended.set()
        peer.stop()
        server.close()
        await asyncio.sleep(2 / FPS)
    return Run(_alarms(folder, started, len(streams)), load)


async def _play(stream: Sequence[bytes], begin: float, writer: asyncio.StreamWriter, ended: asyncio.Event) -> None:
    index = -round(LEAD * FPS)
    while not ended.is_set():
        jpeg = stream[min(max(index, 0), len(stream) - 1)]
        writer.write(b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%b\r\n" % (len(jpeg), jpeg))
        await writer.drain()
        index += 1
        await asyncio.sleep(max(0.0, begin + index / FPS - time.time()))


def _configure(count: int, size: tuple[int, int], setting: str, folder: Path, port: int) -> Path:
    note, file = folder / "note", folder / "motion.conf"
    note.write_text(_NOTE.format(folder=folder))
    note.chmod(0o755)
    lines = _SERVER.format(
        folder=folder, fps=FPS, width=size[0], height=size[1], gap=_EVENT_GAP, note=note, setting=setting
    )
    for index in range(count):
        camera = folder / f"camera{index}.conf"
        camera.write_text(f"camera_id {index + 1}\nnetcam_url http://{LOOPBACK}:{port}/{index}\n")
        lines += f"camera {camera}\n"
    file.write_text(lines)
    return file


def _alarms(folder: Path, started: dict[int, float], count: int) -> list[list[float]]:
    alarms: list[list[float]] = [[] for _ in range(count)]
    events = folder / "events"
    begun: dict[int, float] = {}
    for line in events.read_text().splitlines() if events.exists() else ():
        what, camera, when = line.split()
        index = int(camera) - 1
        at = float(when) - started[index]
        if what == "start":
            begun[index] = at
            alarms[index].append(at)
        elif index in begun:
            first = begun.pop(index)
            # An event ends a while after the last picture with motion.
            alarms[index] += [first + step / FPS for step in range(1, int((at - _EVENT_GAP - first) * FPS))]
    return alarms
