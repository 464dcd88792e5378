"""A sensor with a few buffers in shared memory, as a camera has them: for Picamera2's hardware encoder."""

import os
import threading
import time
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Planes = NDArray[np.uint8]
"""A picture in YUV420: luma, then both chroma planes, with a stride of a multiple of 64 bytes."""


class BufferSensor:
    """Plays pictures in a loop, at 100 a second as long as there is a free buffer, to the encoder that is started.

    It stands for the camera of a mock of Picamera2. An encoder that holds all buffers stops it.
    """

    def __init__(self, camera: Any, pictures: Sequence[Planes], size: tuple[int, int], timestamp_key: object) -> None:  # noqa: ANN401
        """Have the mock `camera` record these pictures of `size`. `timestamp_key` is libcamera's SensorTimestamp."""
        self._size = size
        self._pictures = pictures
        self._key = timestamp_key
        self._camera = camera
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self.encoders: list[Any] = []
        self.unplugged = False
        self.free: list[int] = []
        for _ in range(4):
            descriptor = os.memfd_create("frame")
            os.ftruncate(descriptor, pictures[0].nbytes)
            self.free.append(descriptor)
        camera.start_recording.side_effect = self.start
        camera.stop_recording.side_effect = self.stop
        camera.camera_configuration.return_value = {"main": {"size": size, "format": "YUV420"}}

    def start(self, encoder: Any, output: Any) -> None:  # noqa: ANN401
        """Start the encoder, then the camera's thread."""
        self.encoders.append(encoder)
        encoder.output = output
        encoder.size, encoder.format, encoder.stride = self._size, "YUV420", self._pictures[0].shape[1]
        encoder.start()
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name="camera")
        self._thread.start()

    def stop(self) -> None:
        """Stop the thread, then the encoder, unless nothing was started."""
        if self._thread is not None:
            self._stopping.set()
            self._thread.join()
            self._thread = None
            self.encoders[-1].stop()

    def _run(self) -> None:
        number = 0
        while not self._stopping.wait(0.01):
            if not self.free or self.unplugged:
                continue
            descriptor = self.free.pop()
            picture = self._pictures[number % len(self._pictures)]
            number += 1
            os.pwrite(descriptor, picture.tobytes(), 0)
            request = self._request(descriptor, picture)
            self._camera.pre_callback(request)
            self.encoders[-1].encode("main", request)
            request.release()

    def _request(self, descriptor: int, picture: Planes) -> SimpleNamespace:
        """Return a completed request with everything that the encoders use."""
        uses = [None]
        timestamp = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        buffer = SimpleNamespace(planes=[SimpleNamespace(fd=descriptor)])
        stream = _Stream(picture.nbytes)

        def release() -> None:
            uses.pop()
            if not uses:
                self.free.append(descriptor)

        return SimpleNamespace(
            config={"main": {"size": self._size, "format": "YUV420"}},
            arrays={"main": picture},
            stream_map={"main": stream},
            request=SimpleNamespace(metadata={self._key: timestamp}, buffers={stream: buffer}),
            get_metadata=lambda: {"SensorTimestamp": timestamp},
            acquire=lambda: uses.append(None),
            release=release,
        )


class _Stream:
    """A libcamera stream, which is a key of a request's buffers."""

    def __init__(self, frame_size: int) -> None:
        self.configuration = SimpleNamespace(frame_size=frame_size)


def planes(luma: NDArray[Any], blue: NDArray[Any], red: NDArray[Any]) -> Planes:
    """Return a picture of a luma plane, and chroma planes of half its width and height."""
    height, width = luma.shape
    stride = -(-width // 64) * 64
    picture = np.zeros((height * 3 // 2, stride), dtype=np.uint8)
    picture[:height, :width] = luma
    halves = picture[height:].reshape(2, height // 2, stride // 2)
    halves[0, :, : width // 2], halves[1, :, : width // 2] = blue, red
    return picture
