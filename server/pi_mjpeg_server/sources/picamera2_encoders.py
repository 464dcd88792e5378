"""The JPEG encoder of a CSI camera: the Pi's hardware where it has one and it works, otherwise libjpeg.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.sources import SourceError
from pi_mjpeg_server.sources.exposure_metadata import Exposure
from pi_mjpeg_server.sources.picamera2_bitrate import MAX_BITRATE, best_quality, bitrate, told_fps
from pi_mjpeg_server.sources.picamera2_errors import explained_memory
from pi_mjpeg_server.sources.picamera2_hardware import make_hardware_encoder
from pi_mjpeg_server.sources.picamera2_library import Library, make_output

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from pi_mjpeg_server.media.frame import Picture
    from pi_mjpeg_server.sources import SourceSettings

_LOGGER = logging.getLogger(__name__)

_HARDWARE_ENCODER = Path("/dev/video11")
_MAX_HARDWARE_SIDE = 1920
_UNSEEN_LOSS = 10
"""A difference of JPEG quality that is not worth mentioning."""
_hardware_fault: str | None = None
"""Why this process uses the hardware encoder no more: another recording would stall again, hours or seconds later."""


class Recorder:
    """Records the pictures of one configured camera into memory, and keeps only the latest.

    Each recording has a new encoder. When the hardware encoder fails, the recording goes on in software. If it could
    not be started, because another program has it or the memory is short, the next recording tries it again.
    """

    def __init__(self, library: Library, camera: Any, settings: SourceSettings, orientation: int) -> None:  # noqa: ANN401
        """Take a configured Picamera2 and the EXIF orientation of its pictures. Nothing is started."""
        self._library = library
        self._camera = camera
        self._settings = settings
        self._orientation = orientation
        self._encoder: Any = None
        self._is_hardware = False
        self._take: Callable[[float], Picture | None] | None = None
        self._exposure: Exposure | None = None
        self._controls: Callable[[], Mapping[str, object]] = dict
        self._broken_before = 0
        self._last_failure: str | None = None

    @property
    def broken(self) -> int:
        """How many damaged pictures the hardware encoder has given."""
        return self._broken_before + (self._encoder.broken if self._is_hardware else 0)

    @property
    def last_damage(self) -> str | None:
        """What was wrong with the last of them, if no good one followed."""
        return self._encoder.last_damage if self._is_hardware else None

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What is used of the metadata of the last frame."""
        return {} if self._exposure is None else self._exposure.latest

    @property
    def note(self) -> str | None:
        """What is different from what was requested, in a few words, or None."""
        if not self._has_hardware() or max(self._size) > _MAX_HARDWARE_SIDE:
            return None
        if _hardware_fault is not None:
            return f"encoding in software: {_hardware_fault}"
        best = best_quality(self._size, self._settings.fps)
        if best >= self._settings.quality - _UNSEEN_LOSS:
            return None
        return (
            f"the hardware encoder gives at most {MAX_BITRATE // 1_000_000} Mbit/s, which is enough for about quality "
            f"{best} instead of {self._settings.quality}: a lower rate or a smaller size gives better pictures"
        )

    def start(self, controls: Callable[[], Mapping[str, object]]) -> None:
        """Set the controls that the function returns, and start to record."""
        self._controls = controls
        if self._can_use_hardware():
            try:
                self._start(self._hardware_encoder(), is_hardware=True)
            except Exception as error:  # noqa: BLE001  (whatever it is, software does without that driver)
                self._report_failed_start(error)
            else:
                self._last_failure = None
                return
        encoder = self._library.JpegEncoder(num_threads=min(4, os.cpu_count() or 1), q=self._settings.quality)
        try:
            self._start(encoder, is_hardware=False)
        except (OSError, RuntimeError) as error:
            raise explained_memory(error, self._settings.size) from error

    def take(self, timeout: float) -> Picture | None:
        """Return the latest picture. Wait up to `timeout` seconds for one, and return None if there is none.

        A hardware encoder that has failed is replaced.
        """
        if self._take is None:
            raise SourceError("the camera does not record")
        picture = self._take(timeout)
        if picture is None and self._is_hardware and self._encoder.fault is not None:
            self.stop()
            self.start(self._controls)
        return picture

    def stop(self) -> None:
        """Stop to record. It may be called when nothing records."""
        encoder, is_hardware = self._encoder, self._is_hardware
        self._broken_before = self.broken
        self._encoder, self._is_hardware, self._take = None, False, None
        if encoder is None:
            return
        try:
            self._camera.stop_recording()
        finally:
            if is_hardware:
                _distrust_hardware(encoder.fault)
            else:
                # JpegEncoder leaves its threads to the garbage collector.
                encoder.threads.shutdown(wait=False)

    def _start(self, encoder: Any, *, is_hardware: bool) -> None:  # noqa: ANN401
        self._exposure = Exposure(self._camera)
        output, take = make_output(self._library, encoder, self._orientation, self._exposure)
        # Picamera2 drops its controls once a start has sent them, and libcamera may drop them at a stop.
        self._camera.set_controls(dict(self._controls()))
        try:
            self._camera.start_recording(encoder, output)
        except Exception:
            # What it says to the stop then would hide why it did not start.
            with contextlib.suppress(Exception):
                self._camera.stop_recording()
            raise
        self._encoder, self._is_hardware, self._take = encoder, is_hardware, take

    def _report_failed_start(self, error: Exception) -> None:
        if isinstance(error, TimeoutError):
            _distrust_hardware(str(error))
            return
        failure = str(explained_memory(error, self._settings.size))
        if failure != self._last_failure:
            _LOGGER.warning("the hardware encoder did not start (%s): encoding in software", failure)
            self._last_failure = failure

    def _can_use_hardware(self) -> bool:
        return self._has_hardware() and _hardware_fault is None and max(self._size) <= _MAX_HARDWARE_SIDE

    def _has_hardware(self) -> bool:
        return self._library.platform_is_vc4 and _HARDWARE_ENCODER.exists()

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self._camera.camera_configuration()["main"]["size"]
        return width, height

    def _hardware_encoder(self) -> Any:  # noqa: ANN401
        fps = self._settings.fps
        return make_hardware_encoder(self._library, bitrate(self._size, fps, self._settings.quality), told_fps(fps))


def _distrust_hardware(fault: str | None) -> None:
    """Encode in software from now on if there is a fault: a second attempt might leave another thread behind."""
    global _hardware_fault  # noqa: PLW0603  (all cameras of the process share the encoder)
    if fault is not None and _hardware_fault is None:
        _hardware_fault = f"the hardware encoder is not used until a restart of the service, because {fault}"
        _LOGGER.warning("%s", _hardware_fault)
