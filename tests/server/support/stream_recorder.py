"""A viewer that records when each picture of a stream came, and what kind it was."""

import itertools
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class RecordedPicture:
    """One picture: when it came (monotonic seconds), its `X-Timestamp`, and whether the server drew it."""

    received: float
    timestamp: str
    drawn: bool


class StreamRecorder:
    """Reads one stream in a thread of its own until it is closed."""

    def __init__(self, port: int, path: str) -> None:
        """Connect to a server on 127.0.0.1 and start to record."""
        self.pictures: list[RecordedPicture] = []
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=30)
        self._socket.sendall(f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        self._thread = threading.Thread(target=self._record, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Disconnect."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(5)
        self._socket.close()

    def wait(self, *, drawn: bool, seconds: float, since: float | None = None) -> float:
        """Wait for a picture of that kind that comes after `since` (default: now). Return the seconds that it took.

        Fails after `seconds`.
        """
        start = time.monotonic() if since is None else since
        while not any(picture.received > start and picture.drawn is drawn for picture in self.pictures[-200:]):
            assert time.monotonic() - start < seconds, f"no {'drawn' if drawn else 'live'} picture came"
            time.sleep(0.02)
        return time.monotonic() - start

    @property
    def longest_silence(self) -> float:
        """Return the longest time in seconds between two pictures, or since the last one."""
        times = [picture.received for picture in self.pictures] + [time.monotonic()]
        return max(later - earlier for earlier, later in itertools.pairwise(times))

    def _record(self) -> None:
        stream = self._socket.makefile("rb")
        try:
            while stream.readline() not in {b"--frame\r\n", b""}:
                pass
            while headers := self._read_headers(stream.readline):
                stream.read(int(headers["content-length"]))
                drawn = "x-picture" in headers
                self.pictures.append(RecordedPicture(time.monotonic(), headers["x-timestamp"], drawn))
                stream.read(2)
                stream.readline()
        except OSError:
            pass

    @staticmethod
    def _read_headers(readline: Callable[[], bytes]) -> dict[str, str]:
        headers = {}
        while (line := readline()) not in {b"\r\n", b""}:
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value.strip()
        return headers
