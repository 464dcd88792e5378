"""Viewers that cost little: any number of MJPEG connections read in one thread, and how old each picture was.

The webcam of `benchmarks/peers.py` writes the moment at which it had a frame ready into the frame, so a picture's age
is nobody's word but the clock's. The age is taken when the picture's last byte has come.
"""

import re
import selectors
import socket
import ssl
import time
from collections.abc import Collection
from pathlib import Path

from workbench.errors import ScriptError
from workbench.network import LOOPBACK

from tests.server.support.fake_webcam import READY

_CHUNK = 6_000  # bytes that a slow reader takes at a time, and that its kernel may keep for it
_HEAD = re.compile(rb"Content-Length: (\d+)\r\n(?:[^\r]+\r\n)*\r\n(.{0,64}?%b(\d{19}))" % READY, re.DOTALL)
_MAX_HEAD = 2048

_buffer = memoryview(bytearray(1 << 20))


class Viewer:
    """One connection to a stream; with a `speed` in bytes a second it is a slow one."""

    def __init__(self, port: int, path: str, speed: float | None = None, trust: ssl.SSLContext | None = None) -> None:
        """Connect to a server of this machine, by TLS with a context, and ask for the stream.

        Raises OSError when there is none.
        """
        self.ages: list[float] = []
        """Of each picture, once, in seconds: from the moment the camera had it ready until its last byte came."""
        self.due = 0.0
        self._speed = speed
        self._taken = 0
        self._head = b""
        self._left = 0
        self._ready = self._last = 0
        self._socket = socket.socket()
        if speed:
            # What the reader's own kernel keeps is old through no fault of the server's.
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _CHUNK)
        self._socket.settimeout(10)
        self._socket.connect((LOOPBACK, port))
        if trust:
            self._socket = trust.wrap_socket(self._socket, server_hostname="localhost")
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        self._began = time.monotonic()

    def fileno(self) -> int:
        """Return the descriptor, for a selector."""
        return self._socket.fileno()

    def close(self) -> None:
        """Leave."""
        self._socket.close()

    def take(self) -> None:
        """Read what there is. Raises ScriptError when the server has hung up."""
        data = _buffer[: self._socket.recv_into(_buffer, _CHUNK if self._speed else len(_buffer))]
        if not data:
            raise ScriptError("a server hung up on a viewer")
        if self._speed:
            self._taken += len(data)
            self.due = self._began + self._taken / self._speed
        while data:
            data = self._skip(data) if self._left else self._begin(data)
        if isinstance(self._socket, ssl.SSLSocket) and self._socket.pending():
            # What is decrypted already wakes no selector.
            self.take()

    def _skip(self, data: memoryview) -> memoryview:
        """Leave out what belongs to the picture; return the rest."""
        here = min(self._left, len(data))
        self._left -= here
        if not self._left and self._ready != self._last:
            self.ages.append((time.monotonic_ns() - self._ready) / 1e9)
            self._last = self._ready
        return data[here:]

    def _begin(self, data: memoryview) -> memoryview:
        """Look for the beginning of the next picture that the camera made; return what is behind it."""
        before = len(self._head)
        self._head += data
        found = _HEAD.search(self._head)
        if found is None:
            self._head = self._head[-_MAX_HEAD:]
            return data[:0]
        self._head = b""
        self._left = int(found[1]) - len(found[2])
        self._ready = int(found[3])
        return data[found.end() - before :]


def read(viewers: Collection[Viewer], seconds: float) -> float:
    """Let all of them watch for a while.

    Return for which share of the time this thread read, or waited for a core to read on: with a high one, it is the
    readers that are slow, and not a server.
    """
    began, busy = time.monotonic(), _busy()
    until = began + seconds
    resting: set[Viewer] = set()
    with selectors.DefaultSelector() as selector:
        for viewer in viewers:
            selector.register(viewer, selectors.EVENT_READ, viewer)
        while (now := time.monotonic()) < until:
            for viewer in [each for each in resting if each.due <= now]:
                resting.discard(viewer)
                selector.register(viewer, selectors.EVENT_READ, viewer)
            for key, _ in selector.select(min([until, *(each.due for each in resting)]) - now):
                viewer = key.data
                viewer.take()
                if viewer.due > now:
                    selector.unregister(viewer)
                    resting.add(viewer)
    return (_busy() - busy) / (time.monotonic() - began)


def _busy() -> float:
    """Return for how many seconds the main thread had a core or waited for one (the kernel's sched-stats.rst)."""
    ran, waited, _ = Path("/proc/self/schedstat").read_text().split()
    return (int(ran) + int(waited)) / 1e9
