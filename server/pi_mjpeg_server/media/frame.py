"""One picture on its way to the viewers: an immutable JPEG and its multipart parts."""

import time
from dataclasses import dataclass, field
from functools import cached_property

BOUNDARY = "frame"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

_DELIMITER = f"--{BOUNDARY}\r\n".encode()
_NEXT_HEADERS = _DELIMITER + b"Content-Type: image/jpeg\r\n\r\n"

PART_END = b"\r\n" + _DELIMITER
"""What follows the picture in `Frame.part`."""

PREAMBLE = _DELIMITER
"""The first bytes of a stream of `Frame.part`."""

BROWSER_PREAMBLE = _NEXT_HEADERS
"""The first bytes of a stream of `Frame.browser_part`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG from a source.

    `taken` is the time of exposure in seconds of `time.monotonic()`, as precisely as the source knows it. The default
    is the present time, for a source that does not know. `settled` is false while the exposure still adapts. `size` is
    width and height in pixels as it is shown, from a source that has read them anyway. `exposure` is the exposure time
    multiplied by the gains, in any unit, where the camera says so.
    """

    jpeg: bytes
    taken: float = field(default_factory=time.monotonic)
    settled: bool = True
    size: tuple[int, int] | None = None
    exposure: float | None = None


@dataclass(frozen=True)
class Frame:
    """A picture with its place in the stream. It is made once, shared by all viewers, and never changed.

    `sequence` increases by one with each frame of a camera, `taken` is on the monotonic clock, and `timestamp` is the
    same time in seconds since 1970. A `drawn` frame was drawn by the server, to say why there is no picture. One that
    is not `settled` is too dark or too bright for a still, because the camera has just started. `exposure` is that of
    its picture.
    """

    jpeg: bytes
    sequence: int
    taken: float
    timestamp: float
    drawn: bool = False
    settled: bool = True
    exposure: float | None = None

    @cached_property
    def part(self) -> bytes:
        """The part for a program: `Content-Length` in its headers, and the next boundary right after the picture.

        A client that waits for the boundary (as ffmpeg does) thus has the picture at once instead of one frame late.
        """
        return b"".join(self.segments(self.timestamp))

    def segments(self, timestamp: float) -> tuple[bytes, bytes, bytes]:
        """Return what `part` is joined from, without a copy of the picture; `timestamp` is the time in its headers."""
        drawn = b"X-Picture: drawn\r\n" if self.drawn else b""
        headers = b"Content-Type: image/jpeg\r\nContent-Length: %d\r\nX-Timestamp: %.6f\r\n%b\r\n"
        return headers % (len(self.jpeg), timestamp, drawn), self.jpeg, PART_END

    @cached_property
    def browser_part(self) -> bytes:
        """The part for a browser's `<img>`: the picture, then the complete headers of the next part.

        Chromium paints a part only when it has the headers of the next one, so they are sent in advance. They have no
        `Content-Length`, because it is not known yet.
        """
        return b"".join((self.jpeg, b"\r\n", _NEXT_HEADERS))
