"""One frame on its way to the viewers, and the multipart parts made of it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Final

BOUNDARY: Final = "frame"
CONTENT_TYPE: Final = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

_DELIMITER: Final = f"--{BOUNDARY}\r\n".encode()
_NEXT_HEADERS: Final = _DELIMITER + b"Content-Type: image/jpeg\r\n\r\n"

PREAMBLE: Final = _DELIMITER
"""What a stream begins with, before the first `Frame.part`."""

BROWSER_PREAMBLE: Final = _NEXT_HEADERS
"""What a stream begins with, before the first `Frame.browser_part`."""


@dataclass(frozen=True)
class Frame:
    """A JPEG and what is known about it. Made once, shared by all viewers, never changed.

    `received` is on the monotonic clock of this machine, in seconds. `timestamp` is the server's `X-Timestamp`, the
    time of capture, as the server wrote it. A `drawn` frame was drawn to say why the camera gives no picture.
    """

    jpeg: bytes
    received: float
    timestamp: str | None = None
    drawn: bool = False

    def repeats(self, other: Frame | None) -> bool:
        """Return whether this is the same picture as `other`, sent again."""
        return other is not None and self.timestamp == other.timestamp and self.jpeg == other.jpeg

    @staticmethod
    def layout(*, for_browser: bool, chunked: bool) -> Callable[[Frame], bytes]:
        """Return what makes the bytes of a frame's part, which are made once and shared.

        `chunked` puts them into a chunk of HTTP/1.1 (RFC 9112, section 7.1).
        """
        return attrgetter(f"{'chunked_' if chunked else ''}{'browser_' if for_browser else ''}part")

    @cached_property
    def part(self) -> bytes:
        """The part for a program: its length in advance, the boundary right after it."""
        return b"".join(self._part())

    @cached_property
    def browser_part(self) -> bytes:
        """The part for a browser's `<img>`: the picture, then the next part's complete headers.

        Chromium paints a part only when the headers of the next one have come, so they are sent in advance; they
        cannot name a length that is not known yet.
        """
        return b"".join(self._browser_part())

    @cached_property
    def chunked_part(self) -> bytes:
        """`part` in a chunk."""
        return _chunk(self._part())

    @cached_property
    def chunked_browser_part(self) -> bytes:
        """`browser_part` in a chunk."""
        return _chunk(self._browser_part())

    def _part(self) -> tuple[bytes, ...]:
        timestamp = f"X-Timestamp: {self.timestamp}\r\n" if self.timestamp else ""
        drawn = "X-Picture: drawn\r\n" if self.drawn else ""
        headers = f"Content-Type: image/jpeg\r\nContent-Length: {len(self.jpeg)}\r\n{timestamp}{drawn}\r\n"
        return headers.encode("ascii"), self.jpeg, b"\r\n", _DELIMITER

    def _browser_part(self) -> tuple[bytes, ...]:
        return self.jpeg, b"\r\n", _NEXT_HEADERS


def _chunk(pieces: tuple[bytes, ...]) -> bytes:
    return b"".join((b"%x\r\n" % sum(map(len, pieces)), *pieces, b"\r\n"))
