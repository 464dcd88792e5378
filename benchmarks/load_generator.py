"""Cheap MJPEG viewers: any number of connections read in one thread, with the age of each frame.

The fake webcam of `benchmarks/peers.py` writes the time at which a frame was ready into the frame. The age is measured
when the last byte of the frame arrives.
"""

import re
import selectors
import socket
import ssl
import time
from collections.abc import Callable, Collection
from pathlib import Path

from tooling.errors import ScriptError
from tooling.network import LOOPBACK

from tests.server.support.fake_webcam import READY

_END = 100  # bytes of a frame in which the time is, if the webcam has written one
_CHUNK = 6_000  # bytes that a slow viewer reads at a time, and the size of its receive buffer
_HEAD = re.compile(rb"Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n")
_READY = re.compile(rb"%b(\d{19})" % READY)
_MAX_HEAD = 2048

_buffer = memoryview(bytearray(1 << 20))


class Viewer:
    """One connection to a stream. With `rate`, in bytes per second, it reads slowly."""

    def __init__(
        self,
        port: int,
        path: str,
        rate: float | None = None,
        trust: ssl.SSLContext | None = None,
        *,
        discards: bool = False,
    ) -> None:
        """Connect to a server on this machine and request the stream. `trust` makes it use TLS.

        If it `discards`, it only counts bytes, which the kernel does not even copy: so many viewers do not keep this
        thread from seeing when a frame comes for one that does not. Raises OSError if nothing listens there.
        """
        self.received = 0
        """How many bytes came."""
        self.ages: list[float] = []
        """The age of each different frame in seconds: from ready in the camera to its last byte here."""
        self.frames = 0
        """How many frames came, with a time in them or without. One that is sent again counts only without."""
        self.due = 0.0
        self._rate = rate
        self._discards = discards
        self._head = b""
        self._remaining = 0
        self._end = b""
        self._last = 0
        self._socket = socket.socket()
        if rate:
            # Frames in this side's receive buffer would age through no fault of the server.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        self._socket.settimeout(10)
        self._socket.connect((LOOPBACK, port))
        if trust:
            self._socket = trust.wrap_socket(self._socket, server_hostname="localhost")
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._began = time.monotonic()

    def fileno(self) -> int:
        """Return the file descriptor for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Close the connection."""
        self._socket.close()

    def receive(self) -> None:
        """Read the available data. Raises ScriptError if the server closed the connection."""
        size = _CHUNK if self._rate else len(_buffer)
        data = _buffer[: self._socket.recv_into(_buffer, size, socket.MSG_TRUNC if self._discards else 0)]
        if not data:
            raise ScriptError("a server closed the connection of a viewer")
        self.received += len(data)
        if self._discards:
            return
        if self._rate:
            self.due = self._began + self.received / self._rate
        while data:
            data = self._skip(data) if self._remaining else self._parse_head(data)
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            # Data that is decrypted already does not wake the selector.
            self.receive()

    def _skip(self, data: memoryview) -> memoryview:
        """Skip the rest of the current frame and return the data after it."""
        size = min(self._remaining, len(data))
        self._remaining -= size
        self._end = (self._end + data[max(0, size - _END) : size])[-_END:]
        if not self._remaining:
            self._count_frame()
        return data[size:]

    def _count_frame(self) -> None:
        found = _READY.search(self._end)
        ready = int(found[1]) if found else 0
        if ready == 0 or ready != self._last:
            self.frames += 1
        if ready not in {0, self._last}:
            self.ages.append((time.monotonic_ns() - ready) / 1e9)
        self._last = ready

    def _parse_head(self, data: memoryview) -> memoryview:
        """Find the head of the next frame and return the data after it."""
        before = len(self._head)
        self._head += data
        found = _HEAD.search(self._head)
        if found is None:
            self._head = self._head[-_MAX_HEAD:]
            return data[:0]
        self._head = b""
        self._remaining = int(found[1])
        return data[found.end() - before :]


def read(viewers: Collection[Viewer], seconds: float, until: Callable[[], bool] | None = None) -> float:
    """Read from all viewers for some seconds, or until `until` returns true.

    Return the share of the time in which this thread ran or waited for a core. If it is high, this thread was the
    bottleneck, and not the server.
    """
    began, busy = time.monotonic(), _busy()
    end = began + seconds
    waiting: set[Viewer] = set()
    with selectors.DefaultSelector() as selector:
        for viewer in viewers:
            selector.register(viewer, selectors.EVENT_READ, viewer)
        while (now := time.monotonic()) < end and not (until and until()):
            for viewer in [each for each in waiting if each.due <= now]:
                waiting.discard(viewer)
                selector.register(viewer, selectors.EVENT_READ, viewer)
            for key, _ in selector.select(min([end, *(each.due for each in waiting)]) - now):
                viewer = key.data
                viewer.receive()
                if viewer.due > now:
                    selector.unregister(viewer)
                    waiting.add(viewer)
    return (_busy() - busy) / (time.monotonic() - began)


def _busy() -> float:
    """Return the seconds in which the main thread ran or waited for a core (sched-stats.rst of the kernel)."""
    ran, waited, _ = Path("/proc/self/schedstat").read_text().split()
    return (int(ran) + int(waited)) / 1e9
