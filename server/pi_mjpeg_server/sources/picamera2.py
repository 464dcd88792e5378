"""CSI cameras through Picamera2, with the Pi's hardware encoder where it has one.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import Device, DeviceBusyError, SourceError, SourceInfo, SourceSettings, libcamera_controls
from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue, validate_controls
from pi_mjpeg_server.sources.exposure import Exposure
from pi_mjpeg_server.sources.picamera2_details import picamera2_details
from pi_mjpeg_server.sources.picamera2_library import Library, load_library, make_output

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from pi_mjpeg_server.media.frame import Picture

_LOGGER = logging.getLogger(__name__)

_HARDWARE_ENCODER = Path("/dev/video11")
_MAX_HARDWARE_WIDTH = 1920
_HARDWARE_TIMEOUT = 2.0  # seconds without a picture
_BUFFER_COUNT = 4
_HEARTBEAT = 0.5  # seconds


class Picamera2Source:
    """One CSI camera. `device` is its libcamera Id, its model, or its number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; Picamera2 is not imported yet."""
        self._settings = settings
        self._library: Library | None = None
        self._camera: Any = None
        self._software_only = False
        self._values: dict[str, ControlValue] = {}
        self._fps = settings.fps

    @staticmethod
    def devices() -> list[Device]:
        """Return the cameras that libcamera finds, except USB webcams, which belong to the source v4l2."""
        return [
            Device(str(info["Id"]), str(info.get("Model", "camera")), f"number {number}")
            for number, info in _csi_cameras(load_library())
        ]

    def open(self) -> SourceInfo:
        """Open and configure the camera, without starting to capture."""
        self._library = library = load_library()
        number, info = self._find(_csi_cameras(library))
        try:
            self._camera = library.Picamera2(camera_num=number)
        except RuntimeError as error:
            raise _explained(error) from error
        try:
            self._camera.configure(self._configuration(library))
        except (OSError, RuntimeError) as error:
            raise self._explained_memory(error) from error
        if not {libcamera_controls.FOCUS_MODE, libcamera_controls.LENS_POSITION}.intersection(self._settings.controls):
            # libcamera begins with manual focus: the picture would be blurred until somebody changes that.
            self._accepts(libcamera_controls.FOCUS_MODE, "Continuous")
        refused = [name for name, value in self._settings.controls.items() if not self._accepts(name, value)]
        size = tuple(self._camera.camera_configuration()["main"]["size"])
        notes = []
        if size != self._settings.size:
            notes.append(f"it has no {'x'.join(map(str, self._settings.size))}; it gives {'x'.join(map(str, size))}")
        if refused:
            notes.append(f"it has no control of that name or range: {', '.join(refused)}")
        model = str(info.get("Model", "")) or None
        size = jpeg.upright(size, self._exif_orientation)
        return SourceInfo(model, size, self._settings.fps, note="; ".join(notes) or None)

    def frames(self) -> Iterator[Picture | None]:
        """Record into memory until closed, and keep only the latest picture.

        If the hardware encoder gives nothing, the next call encodes in software: on some boards the hardware stalls
        for good after hours, without an error.
        """
        encoder, hardware, take = self._start(self._require_library())
        silence = 0.0
        try:
            while True:
                picture = take(_HEARTBEAT)
                silence = silence + _HEARTBEAT if picture is None else 0.0
                yield picture
        finally:
            if hardware and silence >= _HARDWARE_TIMEOUT:
                _LOGGER.warning("the hardware encoder gives no pictures: encoding in software from now on")
                self._software_only = True
            self._camera.stop_recording()
            if not hardware:
                # JpegEncoder leaves its threads to the garbage collector.
                encoder.threads.shutdown(wait=False)

    def close(self) -> None:
        """Release the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    def controls(self) -> Mapping[str, Control]:
        """Return libcamera's controls by name, and `Zoom`."""
        enums = self._require_library().controls
        return libcamera_controls.available_controls(self._camera, enums, self._values, self._settings.fps)

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control. It takes effect a few pictures later."""
        sent = libcamera_controls.to_libcamera(self._camera, self._require_library().controls, name, value)
        if name == libcamera_controls.EXPOSURE:
            sent |= libcamera_controls.frame_duration_limits(self._fps, {name: value})
        if name == libcamera_controls.LENS_POSITION and self._accepts(libcamera_controls.FOCUS_MODE, "Manual"):
            # In the other modes libcamera ignores the position.
            sent |= libcamera_controls.to_libcamera(
                self._camera, self._require_library().controls, libcamera_controls.FOCUS_MODE, "Manual"
            )
        self._camera.set_controls(sent)
        self._values[name] = value

    def details(self) -> Mapping[str, str]:
        """Return the encoder that runs, the configuration, and the modes of the sensor as far as they were read."""
        return picamera2_details(self._require_library(), self._camera)

    def limit_rate(self, fps: float | None) -> None:
        """Have the camera give at most so many pictures a second, a few pictures later."""
        self._fps = min(fps or self._settings.fps, self._settings.fps)
        self._camera.set_controls(libcamera_controls.frame_duration_limits(self._fps, self._values))

    @property
    def _exif_orientation(self) -> int:
        """The orientation for EXIF: the camera itself turns by 180 degrees, but not by 90."""
        rotation = self._settings.rotation
        return jpeg.orientation(rotation if rotation % 180 else 0)

    def _require_library(self) -> Library:
        if self._library is None or self._camera is None:
            raise SourceError("the camera is not open")
        return self._library

    def _accepts(self, name: str, value: object) -> bool:
        try:
            self._values |= validate_controls(self.controls(), {name: value})
        except ControlError:
            return False
        return True

    def _find(self, cameras: list[tuple[int, dict[str, Any]]]) -> tuple[int, dict[str, Any]]:
        wanted = self._settings.device
        for number, info in cameras:
            if wanted is None or wanted in {str(number), str(info["Id"]), str(info.get("Model"))}:
                return number, info
        if wanted is None:
            raise SourceError("no CSI camera is attached: check the ribbon at both ends, then see `pi-mjpeg cameras`")
        there = ", ".join(str(info["Id"]) for _, info in cameras) or "none"
        raise SourceError(f"there is no CSI camera {wanted!r}; attached: {there}")

    def _configuration(self, library: Library) -> dict[str, Any]:
        settings = self._settings
        half_turn = settings.rotation == 180  # noqa: PLR2004  (degrees)
        configuration: dict[str, Any] = self._camera.create_video_configuration(
            # Both encoders accept YUV420; the default, XBGR8888, costs a conversion of every picture.
            main={"size": settings.size, "format": "YUV420"},
            # JFIF is full range; the default for video is limited range, and looks pale.
            colour_space=library.ColorSpace.Sycc(),
            transform=library.Transform(hflip=settings.hflip != half_turn, vflip=settings.vflip != half_turn),
            buffer_count=_BUFFER_COUNT,
        )
        return configuration

    def _start(self, library: Library) -> tuple[Any, bool, Callable[[float], Picture | None]]:
        """Start to record. Return the encoder, whether it is in hardware, and a function that waits for a picture."""
        encoder, hardware = self._encoder(library)
        output, take = make_output(library, encoder, self._exif_orientation, Exposure(self._camera))
        # Picamera2 drops its controls once a start has sent them, and libcamera may drop them at a stop.
        self._camera.set_controls(self._starting_controls(library))
        try:
            self._camera.start_recording(encoder, output)
        except (OSError, RuntimeError) as error:
            # What it says to the stop then would hide why it did not start.
            with contextlib.suppress(Exception):
                self._camera.stop_recording()
            if not hardware:
                raise self._explained_memory(error) from error
            _LOGGER.warning("the hardware encoder cannot be started (%s): encoding in software from now on", error)
            self._software_only = True
            return self._start(library)
        return encoder, hardware, take

    def _explained_memory(self, error: Exception) -> Exception:
        """Return the error that the kernel has no memory for pictures in words, and any other error as it is."""
        if getattr(error, "errno", None) != errno.ENOMEM and os.strerror(errno.ENOMEM) not in str(error):
            return error
        width, height = self._settings.size
        return SourceError(
            f"the kernel has not enough contiguous memory (CMA) for {width}x{height}: request a smaller size, or "
            "reserve more with `dtoverlay=vc4-kms-v3d,cma-256` in /boot/firmware/config.txt and a reboot "
            "(`grep Cma /proc/meminfo` shows how much there is)"
        )

    def _starting_controls(self, library: Library) -> dict[str, object]:
        controls = libcamera_controls.frame_duration_limits(self._fps, self._values)
        for name, value in self._values.items():
            controls |= libcamera_controls.to_libcamera(self._camera, library.controls, name, value)
        return controls

    def _encoder(self, library: Library) -> tuple[Any, bool]:
        """Return a new encoder, and whether it is in hardware."""
        width = self._camera.camera_configuration()["main"]["size"][0]
        has_hardware = library.platform_is_vc4 and _HARDWARE_ENCODER.exists()
        if has_hardware and not self._software_only and width <= _MAX_HARDWARE_WIDTH:
            return library.MJPEGEncoder(bitrate=self._bitrate()), True
        return library.JpegEncoder(num_threads=min(4, os.cpu_count() or 1), q=self._settings.quality), False

    def _bitrate(self) -> int:
        """Return bits per second for the hardware encoder, which has no quality: 2 bits per pixel for quality 80."""
        width, height = self._settings.size
        return int(width * height * self._settings.fps * 2 * self._settings.quality / 80)


def _csi_cameras(library: Library) -> list[tuple[int, dict[str, Any]]]:
    """Return number and description of each CSI camera; the Id of a USB camera contains its bus."""
    try:
        infos = enumerate(library.Picamera2.global_camera_info())
    except Exception as error:
        raise SourceError(f"libcamera cannot list the cameras: {type(error).__name__}: {error}") from error
    return [(number, info) for number, info in infos if "usb" not in str(info["Id"]).lower()]


def _explained(error: RuntimeError) -> SourceError:
    if error.__cause__ is not None and "busy" in str(error.__cause__).lower():
        return DeviceBusyError("another program has the camera open: stop it (`fuser /dev/media*` names it)")
    return SourceError(f"libcamera cannot open the camera: {error}")
