"""The file of a clip: the multipart stream as a program gets it, so it is written and read part by part.

Each part has its length and time in its headers and ends with the boundary of the next one. So a file that was not
written to its end is whole up to its last complete part.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import PART_END, PREAMBLE, Frame

_HEADERS = re.compile(
    rb"Content-Type: image/jpeg\r\nContent-Length: (\d{1,9})\r\nX-Timestamp: (\d{1,12}\.\d{6})\r\n\r\n"
)
_MAX_HEADERS = 200
"""Bytes of a part around its picture, at most."""
_MAX_SEGMENTS = 768
"""Buffers of one `pwritev`; Linux takes 1024 (IOV_MAX)."""

MAX_CLOCK_JUMP = 0.5
"""Seconds by which a frame's time may differ from the steady time; with more, the clock was set meanwhile."""


@dataclass(frozen=True, slots=True)
class Part:
    """A picture in a clip's file: the time when it was taken, in seconds since 1970, and where its JPEG is."""

    timestamp: float
    offset: int
    length: int

    @property
    def end(self) -> int:
        """The offset behind the part."""
        return self.offset + self.length + len(PART_END)

    def read(self, descriptor: int) -> bytes:
        """Return the JPEG. Raises `OSError`, also when the file ends before it does."""
        picture = os.pread(descriptor, self.length, self.offset)
        if len(picture) != self.length:
            raise OSError("the clip ends in the middle of a picture")
        return picture


class ClipWriter:
    """Writes the parts of one clip to an open file. Its methods block on the disk: call them in a thread."""

    def __init__(self, descriptor: int, time: float, taken: float) -> None:
        """Write to `descriptor`; `time`, in seconds since 1970, and `taken`, on the monotonic clock, are one moment."""
        self.parts: list[Part] = []
        self._descriptor = descriptor
        self._offset = 0
        self._clock = time - taken

    @property
    def bytes(self) -> int:
        """The bytes that are written."""
        return self._offset

    @staticmethod
    def size(frames: Sequence[Frame]) -> int:
        """Return how many bytes these frames take in a file, at most."""
        return sum(len(frame.jpeg) + _MAX_HEADERS for frame in frames)

    def write(self, frames: Sequence[Frame]) -> None:
        """Append frames. Raises `OSError`; the file then ends with the last part that is whole."""
        segments: list[bytes] = []
        parts: list[Part] = []
        end = self._offset
        if not end:
            segments.append(PREAMBLE)
            end += len(PREAMBLE)
        for frame in frames:
            steady = frame.taken + self._clock
            # A Pi without a battery sets its clock by hours once it has a network. The times of a clip must not jump.
            timestamp = frame.timestamp if abs(frame.timestamp - steady) < MAX_CLOCK_JUMP else steady
            headers, picture, part_end = frame.segments(timestamp)
            segments += (headers, picture, part_end)
            parts.append(Part(timestamp, end + len(headers), len(picture)))
            end = parts[-1].end
        try:
            _write_all(self._descriptor, segments, self._offset)
        except OSError:
            os.ftruncate(self._descriptor, self._offset)
            raise
        self.parts += parts
        self._offset = end


def _write_all(descriptor: int, segments: Sequence[bytes], offset: int) -> None:
    left = [memoryview(segment) for segment in segments]
    while left:
        written = os.pwritev(descriptor, left[:_MAX_SEGMENTS], offset)
        if not written:
            raise OSError("nothing can be written")
        offset += written
        whole = 0
        while whole < len(left) and written >= len(left[whole]):
            written -= len(left[whole])
            whole += 1
        left = left[whole:]
        if written:
            left[0] = left[0][written:]


def read_parts(descriptor: int) -> Iterator[Part]:
    """Yield the parts of a clip's file up to the first that is not whole. Blocks on the disk. Raises `OSError`."""
    if os.pread(descriptor, len(PREAMBLE), 0) != PREAMBLE:
        return
    offset = len(PREAMBLE)
    while found := _HEADERS.match(os.pread(descriptor, _MAX_HEADERS, offset)):
        part = Part(float(found[2]), offset + found.end(), int(found[1]))
        # A picture may have bytes behind its end marker, so only its begin is checked.
        begin = os.pread(descriptor, len(jpeg.SOI), part.offset)
        if begin != jpeg.SOI or os.pread(descriptor, len(PART_END), part.offset + part.length) != PART_END:
            return
        yield part
        offset = part.end
