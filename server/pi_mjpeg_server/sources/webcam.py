"""One V4L2 capture device, through linuxpy: its video modes, its controls, and its frames.

Statements about V4L2 refer to the kernel's "Video for Linux API" (userspace-api/media/v4l).
"""

from __future__ import annotations

import contextlib
import errno
import re
import select
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.controls import Control, ControlValue

if TYPE_CHECKING:
    import mmap
    from collections.abc import Iterator
    from pathlib import Path

COMPRESSED = ("MJPG", "JPEG")
"""Pixel formats that the camera encodes as JPEG."""
RAW = ("YUYV",)
"""Pixel formats that the server has to encode."""

_BUFFER_COUNT = 4
_FULL_RANGE = 1


@dataclass(frozen=True, slots=True)
class VideoMode:
    """A pixel format, a size, and the highest frame rate at that size (0 if the driver does not tell)."""

    pixel_format: str
    size: tuple[int, int]
    fps: float


@dataclass(frozen=True, slots=True)
class RawFrame:
    """The bytes of one buffer, and the time of exposure in seconds of the monotonic clock (0 if unknown)."""

    data: bytes
    taken: float
    broken: bool


class Webcam:
    """An open device. Every call may block for any time, and raises the driver's `OSError`."""

    def __init__(self, path: Path) -> None:
        """Open the device at `path`. Raises `SourceError` if it cannot capture by streaming."""
        from linuxpy.video import device as v4l2

        self._v4l2 = v4l2
        self.path = path
        self._file = v4l2.IO.open(str(path), True)  # noqa: FBT003  (linuxpy: for reading and writing)
        self._maps: list[mmap.mmap] = []
        self.full_range = False
        try:
            capabilities = v4l2.read_capabilities(self._file)
            supported = v4l2.Capability(capabilities.device_caps)
        except OSError:
            self.close()
            raise
        self.driver = capabilities.driver.decode(errors="replace")
        self.model = capabilities.card.decode(errors="replace") or "Webcam"
        self.bus = capabilities.bus_info.decode(errors="replace")
        if v4l2.Capability.VIDEO_CAPTURE not in supported or v4l2.Capability.STREAMING not in supported:
            self.close()
            raise SourceError(f"{path} ({self.model}) is not a camera that can stream")

    def close(self) -> None:
        """Close the device."""
        self._file.close()

    def modes(self, near: tuple[int, int]) -> list[VideoMode]:
        """Return the modes in formats that we can use. Of a range of sizes, only the one nearest to `near` counts."""
        modes = []
        for description in self._v4l2.iter_read_formats(self._file, self._v4l2.BufferType.VIDEO_CAPTURE):
            pixel_format = description.pixel_format
            name = _fourcc(pixel_format)
            if name not in COMPRESSED + RAW:
                continue
            sizes = {_size(size, near) for size in self._v4l2.iter_read_frame_sizes(self._file, pixel_format)}
            modes += [VideoMode(name, size, self._highest_rate(pixel_format, size)) for size in sorted(sizes)]
        return modes

    def set_mode(self, mode: VideoMode, fps: float) -> VideoMode:
        """Request a mode and a frame rate. Return the mode that the driver has set."""
        capture = self._v4l2.BufferType.VIDEO_CAPTURE
        self._v4l2.set_format(self._file, capture, *mode.size, mode.pixel_format)
        actual = self._v4l2.get_raw_format(self._file, capture).fmt.pix
        self.full_range = actual.quantization == _FULL_RANGE
        rate = 0.0
        # A driver need not support frame rates (VIDIOC_S_PARM is optional).
        with contextlib.suppress(OSError, ZeroDivisionError):
            self._v4l2.set_fps(self._file, capture, fps)
            rate = float(self._v4l2.get_fps(self._file, capture))
        return VideoMode(_fourcc(actual.pixelformat), (actual.width, actual.height), rate)

    def start(self) -> None:
        """Start to capture into four buffers shared with the driver."""
        capture, mapped = self._v4l2.BufferType.VIDEO_CAPTURE, self._v4l2.Memory.MMAP
        self._maps = self._v4l2.create_mmap_buffers(self._file, capture, mapped, _BUFFER_COUNT)
        self._v4l2.enqueue_buffers(self._file, capture, mapped, len(self._maps))
        self._v4l2.stream_on(self._file, capture)

    def stop(self) -> None:
        """Stop capturing and free the buffers. A device that was unplugged has freed them itself."""
        capture, mapped = self._v4l2.BufferType.VIDEO_CAPTURE, self._v4l2.Memory.MMAP
        try:
            self._v4l2.stream_off(self._file, capture)
            for each in self._maps:
                each.close()
            self._v4l2.free_buffers(self._file, capture, mapped)
        except OSError as error:
            if error.errno != errno.ENODEV:
                raise
        finally:
            self._maps = []

    def read(self, timeout: float) -> RawFrame | None:
        """Return the next frame, copied out of its buffer, or None if there is none within `timeout` seconds."""
        ready, _, _ = select.select([self._file], [], [], timeout)
        if not ready:
            return None
        capture, mapped = self._v4l2.BufferType.VIDEO_CAPTURE, self._v4l2.Memory.MMAP
        try:
            buffer = self._v4l2.dequeue_buffer(self._file, capture, mapped)
        except BlockingIOError:
            return None
        data = self._maps[buffer.index][: buffer.bytesused]
        flags = self._v4l2.BufferFlag(buffer.flags)
        self._v4l2.enqueue_buffer(self._file, capture, mapped, 0, buffer.index)
        monotonic = self._v4l2.BufferFlag.TIMESTAMP_MONOTONIC in flags
        taken = buffer.timestamp.secs + buffer.timestamp.usecs / 1_000_000 if monotonic else 0.0
        return RawFrame(data, taken, self._v4l2.BufferFlag.ERROR in flags)

    def controls(self) -> dict[str, tuple[int, Control]]:
        """Return the controls by name, each with its V4L2 control id."""
        found: dict[str, tuple[int, Control]] = {}
        for raw in self._v4l2.iter_read_controls(self._file):
            flags = self._v4l2.ControlFlag(raw.flags)
            unusable = self._v4l2.ControlFlag.DISABLED | self._v4l2.ControlFlag.READ_ONLY
            if flags & unusable:
                continue
            control = self._control(raw)
            if control is not None:
                found[control.name] = (raw.id, control)
        return found

    def set_control(self, control_id: int, control: Control, value: ControlValue) -> None:
        """Set a control to a validated value."""
        if control.type == "menu":
            raw = next(index for index, name in self._menu(control_id, control) if name == value)
        else:
            raw = int(value)
        self._v4l2.set_control(self._file, control_id, raw)

    def _control(self, raw: Any) -> Control | None:  # noqa: ANN401  (linuxpy has no types)
        kinds = self._v4l2.ControlType
        name = control_name(raw.name.decode(errors="replace"))
        try:
            kind = kinds(raw.type)
        except ValueError:
            return None
        if kind not in {kinds.INTEGER, kinds.BOOLEAN, kinds.MENU, kinds.INTEGER_MENU}:
            return None
        value = self._v4l2.get_control(self._file, raw.id)
        if kind == kinds.BOOLEAN:
            return Control(name, "boolean", bool(raw.default_value), bool(value))
        if kind == kinds.INTEGER:
            return Control(name, "integer", raw.default_value, value, raw.minimum, raw.maximum, raw.step or 1)
        named = dict(self._entries(raw))
        return Control(
            name, "menu", named.get(raw.default_value, ""), named.get(value, ""), options=tuple(named.values())
        )

    def _entries(self, raw: Any) -> Iterator[tuple[int, str]]:  # noqa: ANN401  (linuxpy has no types)
        """Yield the entries of a menu by index. Indexes that the driver does not use are skipped."""
        menu = self._v4l2.raw.v4l2_querymenu()
        for index in range(raw.minimum, raw.maximum + 1):
            menu.id, menu.index = raw.id, index
            with contextlib.suppress(OSError):
                self._v4l2.ioctl(self._file, self._v4l2.IOC.QUERYMENU, menu)
                is_integer = raw.type == self._v4l2.ControlType.INTEGER_MENU
                yield index, str(menu.value) if is_integer else menu.name.decode(errors="replace")

    def _menu(self, control_id: int, control: Control) -> Iterator[tuple[int, str]]:
        for raw in self._v4l2.iter_read_controls(self._file):
            if raw.id == control_id:
                return self._entries(raw)
        raise SourceError(f"{self.path} has no control {control.name} any more")

    def _highest_rate(self, pixel_format: int, size: tuple[int, int]) -> float:
        rates = self._v4l2.iter_read_frame_intervals(self._file, pixel_format, *size)
        # For a range, linuxpy's min_fps is the rate of the shortest interval, which is the highest rate.
        return max((float(max(rate.min_fps, rate.max_fps)) for rate in rates), default=0.0)


def control_name(text: str) -> str:
    """Return a control's name as v4l2-ctl writes it: in lower case, with _ for everything but letters and digits."""
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_")


def nearest_mode(modes: list[VideoMode], size: tuple[int, int], fps: float) -> VideoMode:
    """Return the mode nearest to the request: JPEG formats before raw ones, then by size, then by frame rate.

    Raises `SourceError` if there are no modes.
    """
    if not modes:
        raise SourceError("this camera offers neither JPEG nor YUYV")

    def distance(mode: VideoMode) -> tuple[bool, float, float, float]:
        width, height = mode.size
        missing = max(0.0, fps - mode.fps) if mode.fps else 0.0
        return mode.pixel_format in RAW, abs(width - size[0]) + abs(height - size[1]), missing, mode.fps

    return min(modes, key=distance)


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
