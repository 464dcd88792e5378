"""Import what is used of Picamera2 and libcamera.

The import loads numpy and takes seconds, so it happens when a camera is opened or listed, not before.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Any, NamedTuple

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.import_advice import import_advice

if TYPE_CHECKING:
    from collections.abc import Callable

    from pi_mjpeg_server.sources.exposure_metadata import Exposure

_MAX_AGE = 5.0
_failure: str | None = None
"""Why the libraries cannot be imported in this process: a second attempt would find modules that are half imported."""


class Library(NamedTuple):
    """Picamera2's classes, libcamera's types, and whether this is a Pi 4 or older, which has a hardware encoder."""

    Picamera2: Any
    DmaHeap: Any
    JpegEncoder: Any
    MJPEGEncoder: Any
    Output: Any
    ColorSpace: Any
    Transform: Any
    controls: Any
    platform_is_vc4: bool


def load_library() -> Library:
    """Import the libraries. Raises `SourceError`, which says why that fails and what to do, whatever they raise."""
    global _failure  # noqa: PLW0603  (what it is about, sys.modules, belongs to the process too)
    if _failure is not None:
        raise SourceError(_failure)
    try:
        from libcamera import ColorSpace, Transform, controls
        from picamera2 import Picamera2
        from picamera2.dma_heap import DmaHeap
        from picamera2.encoders import JpegEncoder, MJPEGEncoder
        from picamera2.outputs import Output
        from picamera2.platform import Platform, get_platform

        vc4 = get_platform() == Platform.VC4
    except (Exception, SystemExit) as error:
        message = import_advice(error)
        if not isinstance(error, ModuleNotFoundError):
            _failure = message
        raise SourceError(message) from error
    return Library(Picamera2, DmaHeap, JpegEncoder, MJPEGEncoder, Output, ColorSpace, Transform, controls, vc4)


def make_output(
    library: Library,
    encoder: Any,  # noqa: ANN401
    orientation: int,
    exposure: Exposure,
) -> tuple[Any, Callable[[float], Picture | None]]:
    """Return a Picamera2 `Output` that keeps the latest picture, and a function that takes it.

    That function waits up to the given seconds for a picture, and returns None if there is none.
    """

    class LatestPicture(library.Output):  # type: ignore[misc,name-defined]  # its base is known at run time only
        def __init__(self) -> None:
            super().__init__()
            self._arrived = threading.Condition()
            self._picture: Picture | None = None

        def outputframe(
            self,
            frame: bytes,
            keyframe: bool = True,  # noqa: ARG002, FBT001, FBT002  (Picamera2's signature)
            timestamp: int | None = None,
            packet: object = None,  # noqa: ARG002
            audio: bool = False,  # noqa: ARG002, FBT001, FBT002
        ) -> None:
            """Keep a picture. This runs in the encoder's thread, which an exception would end."""
            data = jpeg.with_orientation(bytes(frame), orientation)
            taken = monotonic_time(encoder.firsttimestamp, timestamp)
            picture = Picture(
                data,
                taken,
                settled=exposure.is_settled(encoder.firsttimestamp, timestamp),
                exposure=exposure.value(encoder.firsttimestamp, timestamp),
            )
            with self._arrived:
                self._picture = picture
                self._arrived.notify()

        def take(self, timeout: float) -> Picture | None:
            with self._arrived:
                self._arrived.wait_for(lambda: self._picture is not None, timeout)
                picture, self._picture = self._picture, None
            return picture

    output = LatestPicture()
    return output, output.take


def monotonic_time(first_us: int | None, since_first_us: int | None) -> float:
    """Return the sensor's timestamp (microseconds of the boot clock) in seconds of the monotonic clock.

    A timestamp in the future or more than five seconds old is not trusted: the present time is returned instead.
    """
    now = time.monotonic()
    if first_us is None or since_first_us is None:
        return now
    age = time.clock_gettime(time.CLOCK_BOOTTIME) - (first_us + since_first_us) / 1_000_000
    return now - age if 0 <= age < _MAX_AGE else now
