"""A viewer on bad Wi-Fi sees recent pictures, and delays no other viewer, with the sockets of a real kernel."""

import asyncio
import contextlib
import re
import socket
import statistics
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from tests.server.support.scripted_camera import Script, camera, serving, until
from tests.server.web.transport.test_tls import trusting, write

SLOW = 300_000
"""Bytes per second: a phone two walls away."""
CHUNK = 6_000


class Watcher(threading.Thread):
    """Reads a stream in a thread, and records how old each picture is when its last byte arrives.

    It reads a few kilobytes at a time from a plain socket, at `speed` bytes per second: what it has not read yet is in
    the kernel, not in a buffer of this process.
    """

    def __init__(self, sock: socket.socket, speed: float | None) -> None:
        """Read from this socket until it is closed."""
        super().__init__(daemon=True)
        self.ages: list[float] = []
        self._socket = sock
        self._speed = speed
        self._taken = 0

    def run(self) -> None:
        """Request the stream and read it."""
        self._socket.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self._began = time.monotonic()
        buffer = b""
        with contextlib.suppress(OSError):
            while data := self._some():
                buffer += data
                while (found := re.search(rb"Content-Length: (\d+)\r\nX-Timestamp: ([0-9.]+)\r\n\r\n", buffer)) and len(
                    buffer
                ) >= found.end() + int(found[1]):
                    self.ages.append(time.time() - float(found[2]))
                    buffer = buffer[found.end() + int(found[1]) :]

    def _some(self) -> bytes:
        data = self._socket.recv(CHUNK if self._speed else 65536)
        self._taken += len(data)
        if self._speed is not None:
            time.sleep(max(0.0, self._taken / self._speed - (time.monotonic() - self._began)))
        return data


@contextlib.contextmanager
def watching(url: str, speed: float | None, authority: trustme.CA | None = None) -> Iterator[Watcher]:
    parts = urlsplit(url)
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.socket())
        sock.settimeout(10)
        if speed is not None:
            # What the receiving kernel keeps gets old too, and is not the server's fault.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, CHUNK)
        sock.connect((parts.hostname, parts.port))
        if authority is not None:
            sock = stack.enter_context(trusting(authority).wrap_socket(sock, server_hostname=parts.hostname))
        watcher = Watcher(sock, speed)
        watcher.start()
        yield watcher
        assert watcher.is_alive(), "the server closed the connection"


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_slow_viewer_sees_recent_frames_and_the_others_see_all(tmp_path: Path, tls: bool) -> None:  # noqa: FBT001
    authority = trustme.CA() if tls else None
    settings: dict[str, Any] = write(authority, tmp_path) if authority else {}
    script = Script(fps=30, padding=90_000)
    async with serving(tmp_path, [camera(script)], **settings) as served:
        # Connecting blocks until the server answers, and that runs on this thread's loop.
        watch = contextlib.ExitStack()

        def enter(speed: float | None) -> Watcher:
            return watch.enter_context(watching(served.url, speed, authority))

        slow = await asyncio.to_thread(enter, SLOW)
        quick = [await asyncio.to_thread(enter, None) for _ in range(4)]
        await until(lambda: all(viewer.ages for viewer in (slow, *quick)))
        made, got = script.frames, [len(viewer.ages) for viewer in quick]
        await asyncio.sleep(8)
        made = script.frames - made
        received = [len(viewer.ages) - before for viewer, before in zip(quick, got, strict=True)]
        # The first second fills the kernel's buffers. If anything queued, later frames would be older and older.
        late = slow.ages[len(slow.ages) // 2 :]
        assert statistics.median(late) < 1, [round(age, 2) for age in slow.ages]
        assert len(slow.ages) > 15
        assert min(received) >= 0.98 * made - 2, (received, made)
        dropped = {viewer.drops for viewer in served.server.cameras[0].viewers}
        assert max(dropped) > 100
        watch.close()
