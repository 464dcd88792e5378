"""The live picture over HTTP: a real server with the camera, and viewers on this machine."""

import asyncio
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field, replace
from http.client import HTTPConnection, HTTPResponse
from pathlib import Path

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.supervisor import START_TIMEOUT
from pi_mjpeg_server.config import AuthSettings, ServerSettings, load
from pi_mjpeg_server.config.settings import ClipSettings, Configuration
from pi_mjpeg_server.make_server import make_server
from pi_mjpeg_server.selftest.report import Finding, failed, passed
from pi_mjpeg_server.selftest.target import Target
from pi_mjpeg_server.web.http_server import serving_http

_HOST = "127.0.0.1"
_WIDTH = 320
_WATCHES = ((1, None), (4, None), (1, _WIDTH))
"""How many viewers watch, one after the other, and the width that they ask for."""
_TIMEOUT = START_TIMEOUT + 5
_MIN_FRAMES = 0.9


@dataclass(slots=True)
class _Viewer:
    """One viewer of `path`: ages and bytes of the frames that it got, and the processor time it took, in seconds."""

    path: str
    ages: list[float] = field(default_factory=list)
    bytes: int = 0
    used: float = 0.0
    error: str | None = None

    def watch(self, port: int, ready: threading.Barrier, seconds: float) -> None:
        """Watch for some seconds, from the moment at which all viewers have had a frame."""
        connection = HTTPConnection(_HOST, port, timeout=_TIMEOUT)
        try:
            connection.request("GET", self.path)
            response = connection.getresponse()
            _read_part(response)
            ready.wait(_TIMEOUT)
            began, used = time.monotonic(), time.thread_time()
            while time.monotonic() - began < seconds:
                taken, length = _read_part(response)
                self.bytes += length
                self.ages.append(time.time() - taken)
            self.used = time.thread_time() - used
        except Exception as error:  # noqa: BLE001  (it is reported)
            self.error = f"{type(error).__name__}: {error}"
            ready.abort()
        finally:
            connection.close()


def stream(target: Target, seconds: float) -> Finding:
    """Serve the camera on this machine, and have one viewer, then four, and then one of a small picture watch."""
    with tempfile.TemporaryDirectory(prefix="pi-mjpeg-selftest-") as folder:
        return asyncio.run(_stream(_configuration(target, Path(folder)), seconds))


async def _stream(configuration: Configuration, seconds: float) -> Finding:
    server = await asyncio.to_thread(make_server, configuration)
    camera = server.cameras[0]
    findings = []
    async with serving_http(server, configuration.server) as port:
        server.start()
        try:
            for count, width in _WATCHES:
                findings.append(await asyncio.to_thread(_watch, camera, port, count, width, seconds))
                if (reason := camera.reason) is not None:
                    return failed(f"{findings[-1].text}; the camera: {reason}")
        finally:
            await server.stop()
    text = "; ".join(finding.text for finding in findings)
    return replace(max(findings, key=lambda finding: finding.outcome == "FAIL"), text=text)


def _watch(camera: Camera, port: int, count: int, width: int | None, seconds: float) -> Finding:
    """Have `count` viewers watch at a width. It runs in a thread, beside the event loop with the server."""
    path = "/stream" if width is None else f"/stream?width={width}"
    viewers = [_Viewer(path) for _ in range(count)]
    ready = threading.Barrier(count + 1)
    threads = [threading.Thread(target=viewer.watch, args=(port, ready, seconds), daemon=True) for viewer in viewers]
    for thread in threads:
        thread.start()
    named = f"{count} viewer{'s' if count > 1 else ''}{f' at a width of {width}' if width else ''}"
    try:
        ready.wait(_TIMEOUT)
        used, captured = time.process_time(), camera.capture_rate.count
        time.sleep(seconds)
        used, captured = time.process_time() - used, camera.capture_rate.count - captured
    except threading.BrokenBarrierError:
        return failed(f"{named}: {next((each.error for each in viewers if each.error), 'no frame came')}")
    finally:
        for thread in threads:
            thread.join(_TIMEOUT)
    if error := next((each.error for each in viewers if each.error), None):
        return failed(f"{named}: {error}")
    frames = [len(viewer.ages) for viewer in viewers]
    if captured == 0 or min(frames) == 0:
        return failed(f"{named}: no frame within {seconds:g} s")
    ages = sorted(age for viewer in viewers for age in viewer.ages)
    used -= sum(viewer.used for viewer in viewers)
    text = (
        f"{named}: {min(frames) / seconds:.1f} fps of {captured / seconds:.1f} captured, frames of "
        f"{sum(viewer.bytes for viewer in viewers) / sum(frames) / 1e3:.1f} kB, "
        f"{statistics.median(ages) * 1e3:.0f} ms old, one in twenty {ages[len(ages) * 19 // 20] * 1e3:.0f} ms or more; "
        f"{used / seconds:.1%} of a core, {max(0.0, used) / sum(frames) * 1e3:.2f} ms per viewer and frame"
    )
    # A small machine may not scale each of them in time.
    is_complete = width is not None or min(frames) >= captured * _MIN_FRAMES - 1
    return passed(text) if is_complete else failed(f"{text}: frames are missing")


def _configuration(target: Target, folder: Path) -> Configuration:
    """Return the configuration of a server for this machine alone, with its files in `folder`."""
    return replace(
        load(None, {}, {}),
        server=ServerSettings(host=_HOST, port=0, state_dir=folder, zeroconf=False),
        auth=AuthSettings("none"),
        clips=ClipSettings(folder=folder / "clips"),
        cameras=(CameraSettings("camera", "Camera", source=target.source, requested=target.settings, linger=1),),
    )


def _read_part(response: HTTPResponse) -> tuple[float, int]:
    """Read a part of the stream. Return when its picture was taken, in seconds since 1970, and how long it is."""
    length, taken = -1, 0.0
    while True:
        line = response.readline()
        if not line:
            raise ConnectionError("the server ended the stream")
        name, _, value = line.decode("latin-1").strip().partition(":")
        if name.lower() == "content-length":
            length = int(value)
        elif name.lower() == "x-timestamp":
            taken = float(value)
        elif not name and length >= 0:
            response.read(length)
            return taken, length
