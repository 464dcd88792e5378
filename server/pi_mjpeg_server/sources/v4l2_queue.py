"""The buffers that a driver fills in turn, and the two calls that are made for each frame."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.interrupted import ioctl

if TYPE_CHECKING:
    from collections.abc import Sequence


class BufferQueue:
    """Dequeues filled buffers of a device and enqueues them again. Every call raises the driver's `OSError`.

    linuxpy makes a structure for each call and logs it, which takes longer than the call itself: these two take a
    quarter of what all work on a frame took. Here two structures of linuxpy's are used over and over.
    """

    def __init__(self, v4l2: Any, file: Any, maps: Sequence[Any]) -> None:  # noqa: ANN401  (linuxpy has no types)
        """Use linuxpy's module `v4l2`, the open device, and the memory of its buffers."""
        self._file_descriptor = file.fileno()
        self._maps = maps
        self._dequeue, self._enqueue = v4l2.IOC.DQBUF.value, v4l2.IOC.QBUF.value
        self._monotonic, self._error = int(v4l2.BufferFlag.TIMESTAMP_MONOTONIC), int(v4l2.BufferFlag.ERROR)
        self._buffer, self._next = (self._structure(v4l2) for _ in range(2))

    @property
    def data(self) -> bytes:
        """A copy of what is in the buffer that was dequeued last."""
        copy: bytes = self._maps[self._buffer.index][: self._buffer.bytesused]
        return copy

    @property
    def stamp(self) -> float:
        """Its time stamp in seconds of the monotonic clock, or 0 if it has none."""
        if not self._buffer.flags & self._monotonic:
            return 0.0
        stamp: float = self._buffer.timestamp.secs + self._buffer.timestamp.usecs / 1_000_000
        return stamp

    @property
    def is_damaged(self) -> bool:
        """Whether the driver says that it is damaged."""
        return bool(self._buffer.flags & self._error)

    def dequeue(self) -> bool:
        """Take the next filled buffer. Return False if there is none; then the last one stays the last one."""
        try:
            ioctl(self._file_descriptor, self._dequeue, self._next)
        except BlockingIOError:
            return False
        self._buffer, self._next = self._next, self._buffer
        return True

    def enqueue(self) -> None:
        """Give the buffer that was dequeued last back to the driver."""
        ioctl(self._file_descriptor, self._enqueue, self._buffer)

    def skip_to_newest(self) -> None:
        """Give the buffer that was dequeued last back, and take a newer one, as long as there is one."""
        while self.dequeue():
            # `_next` is the one before.
            ioctl(self._file_descriptor, self._enqueue, self._next)

    @staticmethod
    def _structure(v4l2: Any) -> Any:  # noqa: ANN401  (linuxpy has no types)
        structure = v4l2.raw.v4l2_buffer()
        structure.type = v4l2.BufferType.VIDEO_CAPTURE
        structure.memory = v4l2.Memory.MMAP
        return structure
