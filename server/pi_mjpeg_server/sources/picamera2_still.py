"""Stills at the resolution of a CSI camera's sensor, for which the camera is configured anew and back again.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import StillError
from pi_mjpeg_server.sources.exposure_metadata import read_metadata, says_settled
from pi_mjpeg_server.sources.picamera2_errors import explained_memory
from pi_mjpeg_server.sources.picamera2_library import monotonic_time

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping

    from pi_mjpeg_server.sources.picamera2_library import Library

_HEARTBEAT = 0.5  # seconds
_SETTLING = 1.0
"""Seconds for which a still waits for the automatic exposure; libcamera goes on from what it was in the stream."""


def still_size(camera: Any) -> tuple[int, int] | None:  # noqa: ANN401  (a Picamera2)
    """Return the resolution of the sensor, or None if the configured pictures have as many pixels."""
    width, height = camera.sensor_resolution or (0, 0)
    streamed = camera.camera_configuration()["main"]["size"]
    return (width, height) if width * height > streamed[0] * streamed[1] else None


class Stills:
    """The stills of one configured camera that does not capture.

    They are encoded in software: the hardware encoder takes no picture as wide as a sensor.
    """

    def __init__(
        self,
        library: Library,
        camera: Any,  # noqa: ANN401  (a Picamera2)
        quality: int,
        orientation: int,
    ) -> None:
        """Take the JPEG quality and the EXIF orientation of the stills."""
        self._library = library
        self._camera = camera
        self._encoder = library.JpegEncoder(num_threads=1, q=quality)
        self._orientation = orientation

    def capture(
        self, controls: Callable[[], Mapping[str, object]], back: Callable[[], None]
    ) -> Iterator[Picture | None]:
        """Yield stills as `StillCapable.stills` does.

        `controls` returns what is set at the start, for the mode that is configured then, and `back` configures the
        camera as before.
        """
        size = still_size(self._camera)
        if size is None:
            raise StillError("the pictures have the resolution of the sensor already")
        try:
            self._configure(size)
            yield None
            self._camera.set_controls(dict(controls()))
            self._camera.start(show_preview=False)
            yield None
            yield from self._pictures()
        except Exception as error:
            words = explained_memory(error, size, instead="take a still that is not full")
            raise StillError(str(words) or type(error).__name__) from error
        finally:
            self._camera.stop()
            back()

    def _configure(self, size: tuple[int, int]) -> None:
        configuration = self._camera.create_still_configuration(
            main={"size": size, "format": "YUV420"},
            # One buffer less of the scarce memory: the mode of the sensor follows from the size.
            raw=None,
            # As the stream: full range, and turned by the sensor.
            colour_space=self._library.ColorSpace.Sycc(),
            transform=self._camera.camera_configuration()["transform"],
        )
        self._camera.configure(configuration)

    def _pictures(self) -> Iterator[Picture | None]:
        settled_by = time.monotonic() + _SETTLING
        while True:
            request = yield from self._request()
            try:
                metadata = read_metadata(request)
                if says_settled(metadata) or time.monotonic() >= settled_by:
                    yield None  # Encoding is a step of its own.
                    yield self._picture(request, metadata)
            finally:
                # Picamera2 has no other buffer for a still.
                request.release()
            yield None

    def _request(self) -> Generator[None, None, Any]:
        """Yield None until the camera has completed a request, and return that; the caller has to release it."""
        job = self._camera.capture_request(wait=False)
        request: Any = None
        try:
            while request is None:
                try:
                    request = self._camera.wait(job, timeout=_HEARTBEAT)
                except TimeoutError:
                    yield None
        finally:
            if request is None:
                self._forget(job)
        return request

    def _forget(self, job: Any) -> None:  # noqa: ANN401
        """Give up a job, which may be completed at the same time: its buffer would stay in use for good."""
        self._camera.cancel_all_and_flush()
        with contextlib.suppress(Exception):
            self._camera.wait(job, timeout=_HEARTBEAT).release()

    def _picture(self, request: Any, metadata: Mapping[str, Any]) -> Picture:  # noqa: ANN401
        data = bytes(self._encoder.encode_func(request, "main"))
        stamp = metadata.get("SensorTimestamp")
        taken = monotonic_time(None if stamp is None else int(stamp) // 1000, 0)
        return Picture(jpeg.with_orientation(data, self._orientation), taken)
