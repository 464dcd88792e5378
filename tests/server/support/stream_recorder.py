"""Somebody who watches a stream all the time, and remembers when each picture came and what it was."""

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Seen:
    """One picture: when it came (monotonic seconds), when it was taken, and whether the server drew it."""

    at: float
    timestamp: str
    drawn: bool


class Watcher:
    """Reads one stream in a thread of its own until it is closed."""

    def __init__(self, port: int, path: str) -> None:
        """Begin to watch a server on 127.0.0.1."""
        self.seen: list[Seen] = []
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def wait(self, *, drawn: bool, seconds: float, since: float | None = None) -> float:
        """Wait for a picture of that kind taken after `since` (now) and return how long it took."""
        began = time.monotonic() if since is None else since
        while not any(seen.at > began and seen.drawn is drawn for seen in self.seen[-200:]):
            assert time.monotonic() - began < seconds, f"no {'drawn' if drawn else 'live'} picture came"
            time.sleep(0.02)
        return time.monotonic() - began

    @property
    def longest_silence(self) -> float:
        """Return the longest time in seconds that passed between two pictures, the present one included."""
        times = [seen.at for seen in self.seen] + [time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _watch(self) -> None:
        stream = self._socket.makefile("rb")
        try:
            while stream.readline() not in {b"--frame\r\n", b""}:
                pass
            while headers := self._headers(stream.readline):
                stream.read(int(headers["content-length"]))
                self.seen.append(Seen(time.monotonic(), headers["x-timestamp"], "x-picture" in headers))
                stream.read(2)
                stream.readline()
        except OSError:
            pass

    @staticmethod
    def _headers(readline: Callable[[], bytes]) -> dict[str, str]:
        headers = {}
        while (line := readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value.strip()
        return headers
