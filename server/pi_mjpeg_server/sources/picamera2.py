"""CSI cameras through Picamera2.

Statements about Picamera2 refer to the source of version 0.3.38.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.sources import (
    Device,
    SourceError,
    SourceInfo,
    SourceSettings,
    contiguous_memory,
    focus,
    libcamera_controls,
    picamera2_still,
    sensor_modes,
)
from pi_mjpeg_server.sources.controls import Control, ControlError, ControlValue, validate_controls
from pi_mjpeg_server.sources.picamera2_details import picamera2_details
from pi_mjpeg_server.sources.picamera2_encoders import Recorder
from pi_mjpeg_server.sources.picamera2_errors import MemoryShortageError, explained_memory
from pi_mjpeg_server.sources.picamera2_library import Library, load_library
from pi_mjpeg_server.sources.picamera2_opening import csi_cameras, open_camera

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pi_mjpeg_server.media.frame import Picture
    from pi_mjpeg_server.sources.contiguous_memory import Footprint
    from pi_mjpeg_server.sources.sensor_modes import SensorMode

_HEARTBEAT = 0.5  # seconds
_OF_EXPOSURE = frozenset(
    {libcamera_controls.EXPOSURE, libcamera_controls.EXPOSURE_MODE, libcamera_controls.AUTOMATIC_EXPOSURE}
)


class Picamera2Source:
    """One CSI camera. `device` is its libcamera Id, its model, or its number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; Picamera2 is not imported yet."""
        self._settings = settings
        self._library: Library | None = None
        self._camera: Any = None
        self._camera_id = ""
        self._footprint: Footprint | None = None
        self._mode: SensorMode | None = None
        self._recorder: Recorder | None = None
        self._focus: focus.FocusRun | None = None
        self._values: dict[str, ControlValue] = {}
        self._fps = settings.fps

    @staticmethod
    def devices() -> list[Device]:
        """Return the cameras that libcamera finds, except USB webcams, which belong to the source v4l2."""
        return [
            Device(str(info["Id"]), str(info.get("Model", "camera")), f"number {number}")
            for number, info in csi_cameras(load_library())
        ]

    def open(self) -> SourceInfo:
        """Open and configure the camera, without starting to capture."""
        self._library = library = load_library()
        info = self._find(csi_cameras(library))
        self._camera_id = str(info["Id"])
        self._camera, notes = open_camera(library, self._camera_id, self._settings)
        more_notes, fps = self._configure(library)
        notes += more_notes
        # libcamera begins with manual focus: the picture would be blurred until somebody changes that.
        self._accepts(libcamera_controls.FOCUS_MODE, "Continuous")
        refused = [name for name, value in self._settings.controls.items() if not self._accepts_configured(name, value)]
        size = tuple(self._camera.camera_configuration()["main"]["size"])
        if refused:
            notes.append(f"it has no control of that name or range: {', '.join(refused)}")
        model = str(info.get("Model", "")) or None
        size = jpeg.upright(size, self._exif_orientation)
        return SourceInfo(model, size, fps, note="; ".join(notes) or None)

    def frames(self) -> Iterator[Picture | None]:
        """Record into memory until closed, and keep only the latest picture."""
        library = self._require_library()
        if self._recorder is None:
            raise SourceError("the camera is not open")
        try:
            self._recorder.start(lambda: self._starting_controls(library))
            while True:
                picture = self._recorder.take(_HEARTBEAT)
                self._follow_focus(self._recorder.metadata)
                yield picture
        except MemoryShortageError:
            if self._footprint is not None:
                contiguous_memory.start_failed(self._camera_id, self._settings.size, self._footprint)
            raise
        finally:
            self._end_focus()
            self._recorder.stop()

    def close(self) -> None:
        """Release the camera."""
        camera, self._camera = self._camera, None
        if camera is not None:
            camera.close()

    @property
    def broken(self) -> int:
        """How many damaged pictures the encoder has given."""
        return self._recorder.broken if self._recorder is not None else 0

    @property
    def last_damage(self) -> str | None:
        """What was wrong with the last one."""
        return self._recorder.last_damage if self._recorder is not None else None

    def controls(self) -> Mapping[str, Control]:
        """Return libcamera's controls by name, and `Zoom`."""
        enums = self._require_library().controls
        return libcamera_controls.available_controls(self._camera, enums, self._values, self._settings.fps)

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control. It takes effect a few pictures later."""
        enums = self._require_library().controls
        sent = libcamera_controls.to_libcamera(self._camera, enums, name, value)
        for mode in libcamera_controls.implied(name, value).items():
            if self._accepts(*mode):
                sent |= libcamera_controls.to_libcamera(self._camera, enums, *mode)
        if name == libcamera_controls.EXPOSURE and self._values.get(libcamera_controls.AUTOMATIC_EXPOSURE) is True:
            del self._values[libcamera_controls.AUTOMATIC_EXPOSURE]
        if name in _OF_EXPOSURE:
            sent |= libcamera_controls.frame_duration_limits(self._fps, {**self._values, name: value})
        if name in {libcamera_controls.FOCUS_MODE, libcamera_controls.LENS_POSITION}:
            self._end_focus()
        self._camera.set_controls(sent)
        self._values[name] = value

    def start_focus(self) -> None:
        """Focus once, unless that is under way; the mode of the focus is restored afterwards."""
        if not focus.has_lens(self.controls()):
            raise ControlError("it has no lens that can be focused")
        if self._focus is None or self._focus.focused is not None:
            self._focus = focus.FocusRun(time.monotonic())
            self._camera.set_controls(self._focus_mode(focus.SINGLE_RUN) | {focus.TRIGGER: focus.START})

    def focus_result(self) -> bool | None:
        """Return whether the last focus run has found a focus, None while it is under way."""
        return False if self._focus is None else self._focus.focused

    def details(self) -> Mapping[str, str]:
        """Return the encoder that runs, the configuration, and the modes of the sensor as far as they were read."""
        return picamera2_details(self._require_library(), self._camera)

    def limit_rate(self, fps: float | None) -> None:
        """Have the camera give at most so many pictures a second, a few pictures later."""
        self._fps = min(fps or self._settings.fps, self._settings.fps)
        self._camera.set_controls(libcamera_controls.frame_duration_limits(self._fps, self._values))

    def still_size(self) -> tuple[int, int] | None:
        """Return the resolution of the sensor, or None if the pictures have it already."""
        size = picamera2_still.still_size(self._camera)
        return None if size is None else jpeg.upright(size, self._exif_orientation)

    def stills(self) -> Iterator[Picture | None]:
        """Capture at the resolution of the sensor until closed, with the same controls."""
        library = self._require_library()
        stills = picamera2_still.Stills(library, self._camera, self._settings.quality, self._exif_orientation)
        return stills.capture(lambda: self._starting_controls(library), lambda: self._configure_back(library))

    @property
    def _exif_orientation(self) -> int:
        """The orientation for EXIF: the camera itself turns by 180 degrees, but not by 90."""
        rotation = self._settings.rotation
        return jpeg.orientation(rotation if rotation % 180 else 0)

    def _require_library(self) -> Library:
        if self._library is None or self._camera is None:
            raise SourceError("the camera is not open")
        return self._library

    def _follow_focus(self, metadata: Mapping[str, Any]) -> None:
        """Follow a focus run, and restore the mode at its end. With manual focus, the lens stays where it is then."""
        if self._focus is None or not self._focus.follows(metadata, time.monotonic()):
            return
        mode = str(self._values.get(libcamera_controls.FOCUS_MODE, focus.SINGLE_RUN))
        if mode == focus.SINGLE_RUN:
            return
        sent = self._focus_mode(mode)
        if mode == focus.MANUAL:
            if self._focus.focused:
                self._accepts(libcamera_controls.LENS_POSITION, metadata.get(libcamera_controls.LENS_POSITION))
            if libcamera_controls.LENS_POSITION in self._values:
                sent |= {libcamera_controls.LENS_POSITION: self._values[libcamera_controls.LENS_POSITION]}
        self._camera.set_controls(sent)

    def _focus_mode(self, mode: str) -> dict[str, object]:
        """Return what sets the mode of the focus."""
        enums = self._require_library().controls
        return libcamera_controls.to_libcamera(self._camera, enums, libcamera_controls.FOCUS_MODE, mode)

    def _end_focus(self) -> None:
        if self._focus is not None:
            self._focus.cancel()

    def _accepts(self, name: str, value: object) -> bool:
        try:
            self._values |= validate_controls(self.controls(), {name: value})
        except ControlError:
            return False
        return True

    def _accepts_configured(self, name: str, value: object) -> bool:
        """Take a value of the configuration, with the mode that it needs unless that is configured too."""
        accepted = self._accepts(name, libcamera_controls.named(self._require_library().controls, name, value))
        if accepted:
            for mode in libcamera_controls.implied(name, self._values[name]).items():
                if mode[0] not in self._settings.controls:
                    self._accepts(*mode)
        return accepted

    def _find(self, cameras: list[tuple[int, dict[str, Any]]]) -> dict[str, Any]:
        wanted = self._settings.device
        for number, info in cameras:
            if wanted is None or wanted in {str(number), str(info["Id"]), str(info.get("Model"))}:
                return info
        if wanted is None:
            raise SourceError("no CSI camera is attached: check the ribbon at both ends, then see `pi-mjpeg cameras`")
        there = ", ".join(str(info["Id"]) for _, info in cameras) or "none"
        raise SourceError(f"there is no CSI camera {wanted!r}; attached: {there}")

    def _configure(self, library: Library) -> tuple[list[str], float]:
        """Configure the camera with what the memory allows. Return notes, and how many pictures a second it gives."""
        settings = self._settings
        modes = sensor_modes.read_modes(self._camera, f"{self._camera_id} {settings.sensor_hdr}")

        def configure(footprint: Footprint) -> None:
            self._footprint, self._mode = footprint, self._sensor_mode(modes, footprint.size)
            self._camera.configure(self._configuration(library, footprint, self._mode))

        footprint = contiguous_memory.configure_what_fits(self._camera_id, settings.size, configure)
        mode = self._mode
        fps = settings.fps if mode is None else min(settings.fps, mode.fps)
        used = replace(settings, size=footprint.size, fps=fps)
        self._recorder = Recorder(library, self._camera, used, self._exif_orientation)
        size = tuple(self._camera.camera_configuration()["main"]["size"])
        notes = [note for note in [footprint.note(settings.size), self._recorder.note] if note is not None]
        if size != footprint.size:
            notes.append("it has no {}x{}; it gives {}x{}".format(*footprint.size, *size))
        if settings.sensor_mode is not None and (mode is None or mode.size != settings.sensor_mode):
            there = sensor_modes.describe_modes(modes) or "none that can be read"
            notes.append("its sensor has no mode [{}, {}]; there is: {}".format(*settings.sensor_mode, there))
        if mode is not None:
            notes += sensor_modes.explain_mode(modes, mode, footprint.size, settings.fps)
        return notes, fps

    def _configure_back(self, library: Library) -> None:
        """Configure the camera as it was opened."""
        if self._footprint is None:
            raise SourceError("the camera is not open")
        try:
            self._camera.configure(self._configuration(library, self._footprint, self._mode))
        except (OSError, RuntimeError) as error:
            raise explained_memory(error, self._footprint.size) from error

    def _sensor_mode(self, modes: tuple[SensorMode, ...], size: tuple[int, int]) -> SensorMode | None:
        """Return the mode to use: the configured one if it exists, else the best; None if libcamera is to choose."""
        requested, fps = self._settings.sensor_mode, self._settings.fps
        found = None if requested is None else sensor_modes.find_mode(modes, requested, fps)
        return found or sensor_modes.choose_mode(modes, size, fps)

    def _configuration(self, library: Library, footprint: Footprint, mode: SensorMode | None) -> dict[str, Any]:
        settings = self._settings
        half_turn = settings.rotation == 180  # noqa: PLR2004  (degrees)
        configuration: dict[str, Any] = self._camera.create_video_configuration(
            # Both encoders accept YUV420; the default, XBGR8888, costs a conversion of every picture.
            main={"size": footprint.size, "format": "YUV420"},
            # JFIF is full range; the default for video is limited range, and looks pale.
            colour_space=library.ColorSpace.Sycc(),
            transform=library.Transform(hflip=settings.hflip != half_turn, vflip=settings.vflip != half_turn),
            buffer_count=footprint.buffer_count,
            sensor={} if mode is None else {"output_size": mode.size, "bit_depth": mode.bit_depth},
        )
        return configuration

    def _starting_controls(self, library: Library) -> dict[str, object]:
        controls = libcamera_controls.frame_duration_limits(self._fps, self._values)
        for name, value in libcamera_controls.in_force(self._values).items():
            controls |= libcamera_controls.to_libcamera(self._camera, library.controls, name, value)
        return controls
