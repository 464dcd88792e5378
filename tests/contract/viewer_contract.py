"""What the live picture promises its viewers, as tests that both halves import and run, plain and over TLS.

Each half has a fixture `half`: its own viewer loop behind a real socket. The viewers are threads that read blocking
sockets, so that what a slow one leaves lies in the kernel and not in a buffer of an event loop.
"""

import asyncio
import contextlib
import re
import socket
import ssl
import statistics
import threading
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import pairwise
from types import ModuleType
from typing import Protocol

import pytest

MACHINE = "*/*"
BROWSER = "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"
"""What a program and Chromium's `<img>` send as their `Accept`."""

PROGRAMS = [
    MACHINE,
    "",
    "image/*",
    "image/jpeg",
    "image/jpeg, */*;q=0.5",
    "multipart/x-mixed-replace, image/jpeg",
    # Java's HttpURLConnection.
    "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
]
BROWSERS = [
    BROWSER,
    "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5",
    "image/webp,*/*",
    "image/png,image/svg+xml,image/*;q=0.8,video/*;q=0.8,*/*;q=0.5",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
    # WebKit, in a tab.
    "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8",
]
"""What is taken for a program and what for a browser, which gets the headers of the next part in advance."""

SLOW = 300_000
"""Bytes per second, a phone two walls away."""

_DELIMITER = b"\r\n--frame\r\n"
_CHUNK = 6_000


class Source(Protocol):
    """A camera that captures `fps` JPEGs per second, each `padding` bytes larger than it needs to be, or is silent."""

    fps: float
    padding: int
    silent: bool


@dataclass
class Half:
    """The viewer loop of one half behind a socket, and the camera that it shows."""

    module: ModuleType
    """Where the viewer loop and its constants are."""
    port: int
    path: str
    source: Source
    viewers: Callable[[], int]
    trust: ssl.SSLContext | None = None
    """What a viewer needs to trust the certificate. None when there is no TLS."""


@dataclass
class Part:
    """One part of the stream and the time at which its last byte came, in seconds since 1970."""

    headers: bytes
    body: bytes
    arrived: float = field(default_factory=time.time)

    @property
    def age(self) -> float:
        """The seconds from capture to arrival, by the part's own `X-Timestamp`."""
        found = re.search(rb"X-Timestamp: ([0-9.]+)", self.headers)
        assert found is not None, self.headers
        return self.arrived - float(found[1])


class Viewer(threading.Thread):
    """Reads a stream as fast as it comes, or at `speed` bytes per second; at 0, only the headers of the response."""

    def __init__(self, half: Half, accept: str = MACHINE, speed: float | None = None) -> None:
        """Remember where to connect; the thread connects."""
        super().__init__(daemon=True)
        self.body = b""
        """All that came after the headers of the response."""
        self.parts: list[Part] = []
        self._half = half
        self._accept = accept
        self._speed = speed
        self._done = threading.Event()
        self._connection: socket.socket | None = None

    def run(self) -> None:
        """Connect, and read until the response ends or `stop` is called."""
        with socket.socket() as plain, contextlib.suppress(OSError):
            plain.settimeout(10)
            if self._speed is not None:
                # What the viewer's own kernel keeps is old through no fault of the server.
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
            plain.connect(("127.0.0.1", self._half.port))
            with contextlib.ExitStack() as stack:
                connection = plain
                if self._half.trust is not None:
                    wrapped = self._half.trust.wrap_socket(plain, server_hostname="127.0.0.1")
                    connection = stack.enter_context(wrapped)
                self._connection = connection
                # HTTP/1.0, so that the body comes without chunks.
                request = f"GET {self._half.path} HTTP/1.0\r\nHost: 127.0.0.1\r\nAccept: {self._accept}\r\n\r\n"
                connection.sendall(request.encode())
                self._read(connection)

    def stop(self) -> None:
        """Stop reading and wait for the end of the thread."""
        self._done.set()
        if self._speed != 0 and self._connection is not None:
            with contextlib.suppress(OSError):
                # The method of a TLS socket would let the thread read on without TLS.
                socket.socket.shutdown(self._connection, socket.SHUT_RDWR)
        self.join()

    def _read(self, connection: socket.socket) -> None:
        buffer = b""
        while b"\r\n\r\n" not in buffer:
            buffer += connection.recv(1)
        if self._speed == 0:
            self._done.wait()
            connection.settimeout(2)
        # The first delimiter has no line end before it.
        buffer, taken, began = b"\r\n", 0, time.monotonic()
        while (self._speed == 0 or not self._done.is_set()) and (data := connection.recv(_CHUNK)):
            self.body += data
            buffer += data
            *complete, buffer = buffer.split(_DELIMITER)
            for each in filter(None, complete):
                headers, _, body = each.partition(b"\r\n\r\n")
                self.parts.append(Part(headers, body))
            taken += len(data)
            if self._speed:
                time.sleep(max(0.0, taken / self._speed - (time.monotonic() - began)))


@contextlib.asynccontextmanager
async def watching(*viewers: Viewer) -> AsyncIterator[None]:
    """Let viewers watch for as long as the block lasts."""
    for viewer in viewers:
        viewer.start()
    try:
        yield
    finally:
        for viewer in viewers:
            # Not on this thread: its loop is what serves them.
            await asyncio.to_thread(viewer.stop)


async def wait_for(condition: Callable[[], object], seconds: float = 5) -> None:
    """Wait until the condition holds. Raises TimeoutError after `seconds`."""
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 - threads set it
            await asyncio.sleep(0.01)


async def test_frames_keep_coming_in_either_layout(half: Half) -> None:
    half.source.fps, half.source.padding = 20, 20_000
    viewers = [Viewer(half, MACHINE), Viewer(half, BROWSER)]
    async with watching(*viewers):
        await wait_for(lambda: all(viewer.parts for viewer in viewers))
        await asyncio.sleep(2.5)
        counts = [len(viewer.parts) for viewer in viewers]
    assert min(counts) > 25, counts
    for viewer in viewers:
        gaps = [later.arrived - earlier.arrived for earlier, later in pairwise(viewer.parts)]
        assert max(gaps) < 1, gaps


async def test_each_part_ends_with_what_its_reader_waits_for(half: Half) -> None:
    """A machine waits for the boundary, a browser for the headers of the next part: both come with the picture."""
    half.source.fps = 1
    machine, browser = viewers = [Viewer(half, MACHINE), Viewer(half, BROWSER)]
    async with watching(*viewers):
        await wait_for(lambda: all(viewer.body for viewer in viewers))
        # Sooner than the next frame, and than the repetition of this one.
        await asyncio.sleep(0.6)
        of_machine, of_browser = machine.body, browser.body
    jpeg = rb"\xff\xd8(?:(?!--frame).)*"
    headers = rb"Content-Type: image/jpeg\r\nContent-Length: (\d+)\r\nX-Timestamp: \d+\.\d{6}\r\n\r\n"
    found = re.fullmatch(rb"--frame\r\n(?:" + headers + rb"(" + jpeg + rb")\r\n--frame\r\n)+", of_machine, re.DOTALL)
    assert found is not None, of_machine
    assert int(found[1]) == len(found[2])
    headers = rb"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    assert re.fullmatch(headers + rb"(?:" + jpeg + rb"\r\n" + headers + rb")+", of_browser, re.DOTALL), of_browser


async def test_a_slow_viewer_sees_recent_pictures_and_delays_nobody(half: Half) -> None:
    """At 30 pictures of 60 kB a second it gets one in six; with the default buffers they would be seconds old."""
    half.source.fps, half.source.padding = 30, 60_000
    slow, fast = viewers = [Viewer(half, speed=SLOW), Viewer(half)]
    async with watching(*viewers):
        await wait_for(lambda: all(viewer.parts for viewer in viewers))
        await asyncio.sleep(3)
    ages = [part.age for part in slow.parts]
    # The first second fills the buffers of the kernel; what comes later would be older and older if anything queued.
    assert statistics.median(ages[len(ages) // 2 :]) < 1, ages
    assert len(ages) > 8, ages
    assert len(fast.parts) > 4 * len(slow.parts), (len(fast.parts), len(slow.parts))
    ages = [part.age for part in fast.parts]
    assert statistics.median(ages) < 0.3, ages


async def test_a_viewer_that_takes_nothing_is_disconnected(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    assert half.module.DRAIN_TIMEOUT == 15
    monkeypatch.setattr(half.module, "DRAIN_TIMEOUT", 0.5)
    half.source.fps, half.source.padding = 10, 4_000_000
    idle = Viewer(half, speed=0)
    async with watching(idle):
        await wait_for(lambda: half.viewers() == 1)
        began = time.monotonic()
        await wait_for(lambda: half.viewers() == 0)
        assert time.monotonic() - began > 0.4
    # A small picture from before may have come first.
    assert max((len(part.body) for part in idle.parts), default=0) < half.source.padding, "the part was sent after all"


async def test_silence_is_filled_with_the_last_frame(half: Half, monkeypatch: pytest.MonkeyPatch) -> None:
    assert half.module.REPEAT_INTERVAL == 1
    monkeypatch.setattr(half.module, "REPEAT_INTERVAL", 0.4)
    half.source.fps = 20
    viewers = [Viewer(half, MACHINE), Viewer(half, BROWSER)]
    async with watching(*viewers):
        await wait_for(lambda: all(viewer.parts for viewer in viewers))
        half.source.silent = True
        await asyncio.sleep(1.5)
    for viewer in viewers:
        last = viewer.parts[-1].body
        repeats = [part.arrived for part in viewer.parts if part.body == last]
        gaps = [later - earlier for earlier, later in pairwise(repeats)]
        assert len(gaps) >= 2, gaps
        assert all(0.3 < gap < 1 for gap in gaps), gaps
