"""One V4L2 capture device, through linuxpy: its video modes, its controls, and its frames.

Statements about V4L2 refer to the kernel's "Video for Linux API" (userspace-api/media/v4l).
"""

from __future__ import annotations

import contextlib
import errno
import select
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.driver_text import driver_text
from pi_mjpeg_server.sources.linuxpy_library import load_linuxpy
from pi_mjpeg_server.sources.raw_formats import RAW_FORMATS
from pi_mjpeg_server.sources.v4l2_queue import BufferQueue
from pi_mjpeg_server.sources.webcam_controls import WebcamControls

if TYPE_CHECKING:
    import mmap
    from pathlib import Path

COMPRESSED = ("MJPG", "JPEG")
"""Pixel formats that the camera encodes as JPEG."""
_BUFFER_COUNT = 4
_DEFAULT_RANGE, _FULL_RANGE = 0, 1
_JPEG_COLOURS = 7  # V4L2_COLORSPACE_JPEG, whose range is full
_MAX_FAILED_READS = 10
_MIN_SIDE = 2
"""Pixels of a picture's width and height; some drivers tell 0 for want of a signal."""
_MIN_RATE, _MAX_RATE = 0.01, 1000.0
"""Frames per second that a camera can have; drivers tell others too."""


@dataclass(frozen=True, slots=True)
class VideoMode:
    """A pixel format, a size, and the highest frame rate at that size (0 if the driver does not tell)."""

    pixel_format: str
    size: tuple[int, int]
    fps: float

    def __str__(self) -> str:
        """Return it as in a report: `MJPG 1280x720 at 30 fps`."""
        return f"{self.pixel_format} {self.size[0]}x{self.size[1]} at {f'{self.fps:g}' if self.fps else 'unknown'} fps"


@dataclass(frozen=True, slots=True)
class RawFrame:
    """The bytes of one buffer, its time stamp (0 if there is none), and the time at which it was dequeued.

    Times are seconds of the monotonic clock. `damage` says what is wrong with the buffer, or is None.
    """

    data: bytes
    stamp: float
    dequeued: float
    damage: str | None = None


class V4L2Device:
    """An open device. Every call may block for any time, and raises the driver's `OSError`."""

    def __init__(self, path: Path) -> None:
        """Open the device at `path`. Raises `SourceError` if it cannot capture by streaming."""
        self._v4l2 = v4l2 = load_linuxpy()
        self.path = path
        self._file = v4l2.IO.open(str(path), True)  # noqa: FBT003  (linuxpy: for reading and writing)
        self._maps: list[mmap.mmap] = []
        self._poll = select.poll()
        self._poll.register(self._file, select.POLLIN)
        self._queue: BufferQueue | None = None
        self._has_buffers = False
        self._failed_reads = 0
        self.offered: list[str] = []
        self.full_range = False
        self.bytes_per_line = 0
        try:
            capabilities = v4l2.read_capabilities(self._file)
            supported = v4l2.Capability(capabilities.device_caps)
        except OSError:
            self.close()
            raise
        self.model = driver_text(capabilities.card) or "Webcam"
        self.bus = driver_text(capabilities.bus_info)
        if v4l2.Capability.VIDEO_CAPTURE not in supported or v4l2.Capability.STREAMING not in supported:
            self.close()
            kind = "is not a camera that can stream"
            if v4l2.Capability.VIDEO_CAPTURE_MPLANE in supported:
                kind = "is a multi-planar device, such as the receiver of a CSI camera, which is no webcam"
            raise SourceError(f"{path} ({self.model}) {kind}")

    def close(self) -> None:
        """Close the device."""
        self._file.close()

    def modes(self, near: tuple[int, int]) -> list[VideoMode]:
        """Return the modes in formats that we can use. Of a range of sizes, only the one nearest to `near` counts.

        All pixel formats that the device has, usable or not, are in `offered` then.
        """
        modes = []
        self.offered = []
        for description in self._v4l2.iter_read_formats(self._file, self._v4l2.BufferType.VIDEO_CAPTURE):
            pixel_format = description.pixel_format
            name = _fourcc(pixel_format)
            self.offered.append(name)
            if name not in COMPRESSED + RAW_FORMATS:
                continue
            sizes = {_size(size, near) for size in self._v4l2.iter_read_frame_sizes(self._file, pixel_format)}
            # A driver need not list sizes (VIDIOC_ENUM_FRAMESIZES is optional): VIDIOC_S_FMT takes the nearest it has.
            usable = sorted(size for size in sizes if min(size) >= _MIN_SIDE) or [near]
            modes += [VideoMode(name, size, self._highest_rate(pixel_format, size)) for size in usable]
        return modes

    def set_mode(self, mode: VideoMode, fps: float) -> VideoMode:
        """Request a mode and a frame rate. Return the mode that the driver has set.

        Raises `SourceError` if it has none, for want of a signal.
        """
        capture = self._v4l2.BufferType.VIDEO_CAPTURE
        self._v4l2.set_format(self._file, capture, *mode.size, mode.pixel_format)
        actual = self._v4l2.get_raw_format(self._file, capture).fmt.pix
        if min(actual.width, actual.height) < _MIN_SIDE:
            size = f"{actual.width}x{actual.height}"
            raise SourceError(f"{self.path} has pictures of {size} pixels, which is too small: is a signal connected?")
        is_default = actual.quantization == _DEFAULT_RANGE
        self.full_range = actual.quantization == _FULL_RANGE or (is_default and actual.colorspace == _JPEG_COLOURS)
        self.bytes_per_line = actual.bytesperline
        rate = 0.0
        # A driver need not support frame rates (VIDIOC_S_PARM is optional).
        with contextlib.suppress(OSError, ZeroDivisionError):
            self._v4l2.set_fps(self._file, capture, fps)
            rate = _believable(float(self._v4l2.get_fps(self._file, capture)))
        return VideoMode(_fourcc(actual.pixelformat), (actual.width, actual.height), rate)

    def start(self) -> None:
        """Start to capture into four buffers shared with the driver."""
        capture, mapped = self._v4l2.BufferType.VIDEO_CAPTURE, self._v4l2.Memory.MMAP
        self._has_buffers = True
        self._maps = self._v4l2.create_mmap_buffers(self._file, capture, mapped, _BUFFER_COUNT)
        self._v4l2.enqueue_buffers(self._file, capture, mapped, len(self._maps))
        self._queue = BufferQueue(self._v4l2, self._file, self._maps)
        self._v4l2.stream_on(self._file, capture)

    def stop(self) -> None:
        """Stop capturing and free the buffers. A device that was unplugged has freed them itself.

        Does nothing when it is stopped already.
        """
        if not self._has_buffers:
            return
        self._has_buffers = False
        self._queue = None
        capture, mapped = self._v4l2.BufferType.VIDEO_CAPTURE, self._v4l2.Memory.MMAP
        maps, self._maps = self._maps, []
        try:
            try:
                self._v4l2.stream_off(self._file, capture)
            finally:
                # Each has a descriptor of its own, and the traceback of a failed read keeps them from being freed.
                for each in maps:
                    each.close()
            self._v4l2.free_buffers(self._file, capture, mapped)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise

    def read(self, timeout: float, *, newest: bool) -> RawFrame | None:
        """Return the next frame, copied out of its buffer, or None if there is none within `timeout` seconds.

        Of several frames that wait, the `newest` is returned, for a caller that is slower than the camera.
        """
        queue = self._queue
        if queue is None or not self._poll.poll(timeout * 1000):
            return None
        try:
            if not queue.dequeue():
                return None
            if newest:
                queue.skip_to_newest()
        except OSError as error:
            # VIDIOC_DQBUF: EIO "can also indicate temporary problems like signal loss".
            self._failed_reads += 1
            if error.errno != errno.EIO or self._failed_reads > _MAX_FAILED_READS:
                raise
            return RawFrame(b"", 0.0, time.monotonic(), "the camera had no signal for a moment")
        dequeued = time.monotonic()
        self._failed_reads = 0
        damage = "the driver marks it as damaged" if queue.is_damaged else None
        frame = RawFrame(queue.data, queue.stamp, dequeued, damage)
        queue.enqueue()
        return frame

    def controls(self) -> WebcamControls:
        """Read all controls, which may take seconds."""
        return WebcamControls(self._v4l2, self._file)

    def _highest_rate(self, pixel_format: int, size: tuple[int, int]) -> float:
        # For a range, linuxpy's min_fps is the rate of the shortest interval, which is the highest rate.
        with contextlib.suppress(OSError, ArithmeticError, ValueError):
            rates = self._v4l2.iter_read_frame_intervals(self._file, pixel_format, *size)
            return max((_believable(float(max(rate.min_fps, rate.max_fps))) for rate in rates), default=0.0)
        return 0.0


def nearest_mode(modes: list[VideoMode], size: tuple[int, int], fps: float) -> VideoMode:
    """Return the mode nearest to the request: JPEG formats before raw ones, then by size, then by frame rate.

    Raises `SourceError` if there are no modes.
    """
    if not modes:
        raise SourceError(f"this camera offers neither JPEG nor {', '.join(RAW_FORMATS)}")

    def distance(mode: VideoMode) -> tuple[bool, float, float, float, int]:
        width, height = mode.size
        missing = max(0.0, fps - mode.fps) if mode.fps else 0.0
        is_raw = mode.pixel_format in RAW_FORMATS
        rank = RAW_FORMATS.index(mode.pixel_format) if is_raw else 0
        return is_raw, abs(width - size[0]) + abs(height - size[1]), missing, mode.fps, rank

    return min(modes, key=distance)


def _believable(rate: float) -> float:
    """Return a frame rate, or 0 (not known) for one that no camera has."""
    return rate if _MIN_RATE <= rate <= _MAX_RATE else 0.0


def _size(frame_size: Any, near: tuple[int, int]) -> tuple[int, int]:  # noqa: ANN401  (linuxpy has no types)
    info = frame_size.info
    if hasattr(info, "width"):
        return info.width, info.height
    return (
        _nearest(near[0], info.min_width, info.max_width, info.step_width),
        _nearest(near[1], info.min_height, info.max_height, info.step_height),
    )


def _nearest(value: int, lowest: int, highest: int, step: int) -> int:
    inside = min(max(value, lowest), highest)
    return lowest + (inside - lowest) // max(1, step) * max(1, step)


def _fourcc(number: int) -> str:
    return int(number).to_bytes(4, "little").decode("ascii", errors="replace")
