"""One picture on its way to the viewers: an immutable JPEG and the multipart parts made of it."""

import time
from dataclasses import dataclass, field
from functools import cached_property

BOUNDARY = "frame"
CONTENT_TYPE = f"multipart/x-mixed-replace; boundary={BOUNDARY}"

_DELIMITER = f"--{BOUNDARY}\r\n".encode()
_NEXT_HEADERS = _DELIMITER + b"Content-Type: image/jpeg\r\n\r\n"

PREAMBLE = _DELIMITER
"""What a stream begins with, before the first `Frame.part`."""

BROWSER_PREAMBLE = _NEXT_HEADERS
"""What a stream begins with, before the first `Frame.browser_part`."""


@dataclass(frozen=True, slots=True)
class Picture:
    """A JPEG as a source gives it.

    `taken` is the moment of exposure as nearly as the source knows it, in seconds of `time.monotonic()`;
    a source that does not know it leaves it out, and the moment of delivery stands.
    """

    jpeg: bytes
    taken: float = field(default_factory=time.monotonic)


@dataclass(frozen=True)
class Frame:
    """A picture with its place in the stream. Made once, shared by all viewers, never changed.

    `sequence` counts up by one for each frame of a camera, `taken` is on the monotonic clock, `timestamp` is the
    same moment in seconds since 1970. A `drawn` frame is one that the server made to say why there is no picture.
    """

    jpeg: bytes
    sequence: int
    taken: float
    timestamp: float
    drawn: bool = False

    @cached_property
    def part(self) -> bytes:
        """The part for a machine: its length in advance, the boundary right after it.

        A reader that waits for the boundary (as ffmpeg does) thereby has the picture at once instead of one frame late.
        """
        drawn = b"X-Picture: drawn\r\n" if self.drawn else b""
        return b"".join(
            (
                b"Content-Type: image/jpeg\r\nContent-Length: %d\r\n" % len(self.jpeg),
                b"X-Timestamp: %.6f\r\n" % self.timestamp,
                drawn,
                b"\r\n",
                self.jpeg,
                b"\r\n",
                _DELIMITER,
            )
        )

    @cached_property
    def browser_part(self) -> bytes:
        """The part for a browser's `<img>`: the picture, then the next part's complete headers.

        Chromium paints a part only when the headers of the next one have come, so they are sent in advance; they
        cannot name a length that is not known yet.
        """
        return b"".join((self.jpeg, b"\r\n", _NEXT_HEADERS))
