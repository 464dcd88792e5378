"""The JPEG encoder of a CSI camera: the Pi's hardware where it has one and it works, otherwise libjpeg.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources.exposure import Exposure
from pi_mjpeg_server.sources.picamera2_errors import explained_memory
from pi_mjpeg_server.sources.picamera2_library import Library, make_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pi_mjpeg_server.media.frame import Picture
    from pi_mjpeg_server.sources import SourceSettings

_LOGGER = logging.getLogger(__name__)

_HARDWARE_ENCODER = Path("/dev/video11")
_MAX_HARDWARE_WIDTH = 1920
_HARDWARE_TIMEOUT = 2.0  # seconds without a picture


class Encoders:
    """Chooses and starts the encoder of one configured camera, a new one for each recording.

    If the hardware encoder cannot be started, or gives nothing, the next one is in software: on some boards the
    hardware stalls for good after hours, without an error.
    """

    def __init__(self, library: Library, camera: Any, settings: SourceSettings, orientation: int) -> None:  # noqa: ANN401
        """Take a configured Picamera2 and the EXIF orientation of its pictures."""
        self._library = library
        self._camera = camera
        self._settings = settings
        self._orientation = orientation
        self._software_only = False

    def start(self, controls: Mapping[str, object]) -> Recording:
        """Set the controls and start to record."""
        encoder, hardware = self._encoder()
        output, take = make_output(self._library, encoder, self._orientation, Exposure(self._camera))
        # Picamera2 drops its controls once a start has sent them, and libcamera may drop them at a stop.
        self._camera.set_controls(dict(controls))
        try:
            self._camera.start_recording(encoder, output)
        except (OSError, RuntimeError) as error:
            # What it says to the stop then would hide why it did not start.
            with contextlib.suppress(Exception):
                self._camera.stop_recording()
            if not hardware:
                raise explained_memory(error, self._settings.size) from error
            _LOGGER.warning("the hardware encoder cannot be started (%s): encoding in software from now on", error)
            self._software_only = True
            return self.start(controls)
        return Recording(self, self._camera, encoder, take, hardware=hardware)

    def distrust_hardware(self) -> None:
        """Encode in software from the next start on."""
        _LOGGER.warning("the hardware encoder gives no pictures: encoding in software from now on")
        self._software_only = True

    def _encoder(self) -> tuple[Any, bool]:
        """Return a new encoder, and whether it is in hardware."""
        width = self._camera.camera_configuration()["main"]["size"][0]
        has_hardware = self._library.platform_is_vc4 and _HARDWARE_ENCODER.exists()
        if has_hardware and not self._software_only and width <= _MAX_HARDWARE_WIDTH:
            return self._library.MJPEGEncoder(bitrate=self._bitrate()), True
        return self._library.JpegEncoder(num_threads=min(4, os.cpu_count() or 1), q=self._settings.quality), False

    def _bitrate(self) -> int:
        """Return bits per second for the hardware encoder, which has no quality: 2 bits per pixel for quality 80."""
        width, height = self._settings.size
        return int(width * height * self._settings.fps * 2 * self._settings.quality / 80)


class Recording:
    """A camera that records into memory, and keeps only the latest picture, until it is stopped."""

    def __init__(
        self,
        encoders: Encoders,
        camera: Any,  # noqa: ANN401
        encoder: Any,  # noqa: ANN401
        take: Callable[[float], Picture | None],
        *,
        hardware: bool,
    ) -> None:
        """Take over a recording that was started. `take` waits so many seconds for a picture."""
        self._encoders = encoders
        self._camera = camera
        self._encoder = encoder
        self._take = take
        self._hardware = hardware
        self._silence = 0.0

    def take(self, timeout: float) -> Picture | None:
        """Return the latest picture. Wait up to `timeout` seconds for one, and return None if there is none."""
        picture = self._take(timeout)
        self._silence = self._silence + timeout if picture is None else 0.0
        return picture

    def stop(self) -> None:
        """Stop to record."""
        if self._hardware and self._silence >= _HARDWARE_TIMEOUT:
            self._encoders.distrust_hardware()
        self._camera.stop_recording()
        if not self._hardware:
            # JpegEncoder leaves its threads to the garbage collector.
            self._encoder.threads.shutdown(wait=False)
