"""USB webcams: their JPEGs are passed on unchanged; raw pictures are encoded once."""

from __future__ import annotations

import contextlib
import errno
import logging
from typing import TYPE_CHECKING

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.media.jpeg_parser import JpegParser
from pi_mjpeg_server.sources import (
    Device,
    DeviceBusyError,
    SourceError,
    SourceInfo,
    SourceSettings,
    StillError,
    raw_formats,
    v4l2_still,
)
from pi_mjpeg_server.sources.buffer_time import BufferTimes
from pi_mjpeg_server.sources.controls import ControlError, is_automatic
from pi_mjpeg_server.sources.v4l2_device import RawFrame, V4L2Device, VideoMode, nearest_mode
from pi_mjpeg_server.sources.webcam_extra import install_command
from pi_mjpeg_server.sources.webcam_paths import stable_name, webcam_path, webcams

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from pi_mjpeg_server.sources.controls import Control, ControlValue
    from pi_mjpeg_server.sources.webcam_controls import WebcamControls

_LOGGER = logging.getLogger(__name__)

CAMERA_ENCODES = "the camera's own"
"""The encoder in `details` whose quality cannot be chosen."""

_HEARTBEAT = 0.5  # seconds
_USB_TROUBLE = "{words}: plug the camera in again, or try another cable, another port or a stronger power supply"
_ADVICE = {
    errno.EBUSY: "another program has it open: stop it (`fuser {path}` names it)",
    errno.EACCES: "not allowed: add this user to the group video (`sudo usermod -aG video $USER`)",
    errno.EPERM: "the service may not use it, because it started before the kernel knew of cameras: "
    "restart it (`sudo systemctl restart pi-mjpeg`)",
    errno.ENODEV: "it was unplugged",
    errno.ENXIO: "it was unplugged",
    errno.ENOENT: "it is not there: unplugged?",
    errno.ENOSPC: "its USB bus has no bandwidth left: request a smaller size or a lower fps, "
    "or plug it into a port of another bus",
    errno.ENOMEM: "the kernel has no memory for its pictures: request a smaller size",
    errno.EIO: _USB_TROUBLE.format(words="it does not do what it is told (input/output error)"),
    errno.EPROTO: _USB_TROUBLE.format(words="the data on its USB cable is damaged (protocol error)"),
    errno.EILSEQ: _USB_TROUBLE.format(words="the data on its USB cable is damaged"),
    errno.EPIPE: _USB_TROUBLE.format(words="it refuses the request (its USB pipe stalled)"),
    errno.ETIMEDOUT: _USB_TROUBLE.format(words="it does not answer on USB"),
}


class V4L2Source:
    """One webcam. `device` is a name from /dev/v4l/by-id or by-path, a path, or a number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; the device is not opened yet."""
        self._settings = settings
        self._webcam: V4L2Device | None = None
        self._requested = self._mode = VideoMode("MJPG", settings.size, settings.fps)
        self._largest: VideoMode | None = None
        self._controls: WebcamControls | None = None
        self._values: dict[str, ControlValue] = {}
        self._was_still = False
        self._times = BufferTimes()
        self._orientation = jpeg.orientation(settings.rotation, hflip=settings.hflip, vflip=settings.vflip)
        self._parser = JpegParser()
        self.broken = 0
        self.last_damage: str | None = None

    @staticmethod
    def devices() -> list[Device]:
        """Return the webcams, each by a name that does not depend on what else is plugged in."""
        _require_linuxpy()
        return [Device(stable_name(path), model, str(path)) for path, model in webcams()]

    def open(self) -> SourceInfo:
        """Open the device and set the video mode nearest to the request."""
        _require_linuxpy()
        settings = self._settings
        path = webcam_path(settings.device)
        try:
            self._webcam = V4L2Device(path)
            modes = self._webcam.modes(settings.size)
            if not modes:
                offered = ", ".join(self._webcam.offered) or "nothing"
                raise SourceError(
                    f"{path} offers no pixel format that can be used (it offers {offered}; "
                    f"usable are MJPG, JPEG, {', '.join(raw_formats.RAW_FORMATS)})"
                )
            self._requested = nearest_mode(modes, settings.size, settings.fps)
            self._mode = self._webcam.set_mode(self._requested, settings.fps)
            self._controls = self._webcam.controls()
        except OSError as error:
            raise _explained(path, error) from error
        unknown, refused = self._set_configured(settings.controls)
        actual = self._mode
        notes = []
        if actual.size != settings.size or (actual.fps and abs(actual.fps - settings.fps) > 0.5):  # noqa: PLR2004  (fps)
            requested = f"{settings.size[0]}x{settings.size[1]} at {settings.fps:g} fps"
            notes.append(
                f"it has no {requested}; the nearest is {actual.size[0]}x{actual.size[1]} at {actual.fps:g} fps"
            )
        if unknown:
            notes.append(f"it has no control of that name or range: {', '.join(unknown)}")
        notes += refused
        size = jpeg.upright(actual.size, self._orientation)
        return SourceInfo(self._webcam.model, size, actual.fps or None, note="; ".join(notes) or None)

    def frames(self) -> Iterator[Picture | None]:
        """Stream until closed. A damaged picture is skipped and counted in `broken`."""
        webcam = self._require_webcam()
        try:
            # Another program may have changed the mode since: a device has one for all who have it open.
            self._mode = webcam.set_mode(self._requested, self._settings.fps)
            if self._was_still:
                self._was_still = False
                self._keep_controls()
            is_raw = self._mode.pixel_format in raw_formats.RAW_FORMATS
            if is_raw:
                raw_formats.prepare()
            webcam.start()
            while True:
                raw = webcam.read(_HEARTBEAT, newest=is_raw)
                yield None if raw is None else self._picture(raw)
        except OSError as error:
            # What the driver says to the stop then would hide why it is stopped.
            with contextlib.suppress(OSError):
                webcam.stop()
            raise _explained(webcam.path, error) from error
        finally:
            webcam.stop()

    def close(self) -> None:
        """Close the device."""
        webcam, self._webcam, self._controls = self._webcam, None, None
        if webcam is not None:
            webcam.close()

    def controls(self) -> Mapping[str, Control]:
        """Return the controls by the names that v4l2-ctl uses."""
        return {} if self._controls is None else self._controls.listed()

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control."""
        if self._controls is None:
            raise SourceError("the webcam is not open")
        self._controls.set(name, value)
        self._values[name] = value

    def still_size(self) -> tuple[int, int] | None:
        """Return the size of the largest JPEG mode, or None if the pictures are as large."""
        webcam = self._require_webcam()
        try:
            self._largest = largest = self._largest or v4l2_still.largest_mode(webcam)
        except OSError as error:
            raise _explained(webcam.path, error) from error
        if largest is None or v4l2_still.pixels(largest) <= v4l2_still.pixels(self._mode):
            return None
        return jpeg.upright(largest.size, self._orientation)

    def stills(self) -> Iterator[Picture | None]:
        """Stream in the largest JPEG mode until closed. What was set is set again: some cameras forget it."""
        webcam = self._require_webcam()
        if self.still_size() is None or (mode := self._largest) is None:
            raise StillError("the pictures have the largest size of the camera already")
        self._was_still = True
        streamed, self._mode = self._mode, mode
        frames = v4l2_still.capture(webcam, mode, min(self._settings.fps, mode.fps or self._settings.fps))
        try:
            next(frames)
            yield None
            self._keep_controls()
            for raw in frames:
                yield None if raw is None else self._picture(raw)
        finally:
            self._mode = streamed
            try:
                frames.close()
            except OSError as error:
                raise _explained(webcam.path, error) from error

    def _keep_controls(self) -> None:
        """Set what was set before once more, after a change of the mode."""
        _, refused = self._set_configured(self._values)
        if refused:
            # Most likely an automatic control was switched on since, which locks this one.
            _LOGGER.debug("%s: %s", self._require_webcam().path, "; ".join(refused))

    def details(self) -> Mapping[str, str]:
        """Return the mode in use, those in formats that can be used, and all formats."""
        webcam, mode = self._require_webcam(), self._mode
        is_raw = mode.pixel_format in raw_formats.RAW_FORMATS
        return {
            "encoder": "Pillow, in software" if is_raw else CAMERA_ENCODES,
            "mode": str(mode),
            "modes": ", ".join(map(str, webcam.modes(self._settings.size))),
            "formats": ", ".join(webcam.offered),
        }

    def _set_configured(self, requested: Mapping[str, object]) -> tuple[list[str], list[str]]:
        """Set what was configured, automatic controls first, and what was refused once more.

        Return the names of those that do not exist or have another range, and what was said about the others.
        """
        unknown: list[str] = []
        values: dict[str, ControlValue] = {}
        controls = self._controls
        if controls is None:
            return unknown, []
        for name, value in requested.items():
            try:
                values[name] = controls.validate(name, value)
            except ControlError:
                unknown.append(name)
        waiting = sorted(values, key=lambda name: not is_automatic(name))
        refused: dict[str, str] = {}
        for _ in range(2):
            refused = {}
            for name in waiting:
                try:
                    controls.set(name, values[name])
                except OSError as error:
                    refused[name] = f"{name} cannot be set: {error.strerror or error}"
                except ControlError as error:
                    refused[name] = str(error)
            waiting = list(refused)
        self._values |= {name: value for name, value in values.items() if name not in refused}
        return unknown, list(refused.values())

    def _require_webcam(self) -> V4L2Device:
        if self._webcam is None:
            raise SourceError("the webcam is not open")
        return self._webcam

    def _picture(self, raw: RawFrame) -> Picture | None:
        """Return the picture in a buffer, or None if it is broken."""
        try:
            if raw.damage:
                raise jpeg.JpegError(raw.damage)
            data, size = self._jpeg(raw.data)
        except ValueError as error:
            self.broken += 1
            self.last_damage = str(error)
            _LOGGER.debug("%s: skipped damaged picture number %d: %s", self._require_webcam().path, self.broken, error)
            return None
        taken = self._times.taken(raw.stamp, raw.dequeued)
        return Picture(jpeg.with_orientation(data, self._orientation), taken, size=size)

    def _jpeg(self, data: bytes) -> tuple[bytes, tuple[int, int]]:
        """Return the picture as a JPEG, and its size as it is shown."""
        mode, webcam = self._mode, self._require_webcam()
        if mode.pixel_format in raw_formats.RAW_FORMATS:
            encoded = raw_formats.encode(
                data,
                mode.pixel_format,
                mode.size,
                webcam.bytes_per_line,
                self._settings.quality,
                full_range=webcam.full_range,
            )
            return encoded, jpeg.upright(raw_formats.encoded_size(mode.pixel_format, mode.size), self._orientation)
        picture, header = self._parser.parse_with_header(data)
        # The first EXIF segment counts, and ours comes before the camera's.
        orientation = header.orientation if self._orientation == 1 else self._orientation
        return jpeg.with_huffman_tables(picture, header), jpeg.upright(header.size, orientation)


def _require_linuxpy() -> None:
    try:
        import linuxpy.video.device  # noqa: F401
    except ImportError as error:
        missing = error.name or "linuxpy"
        raise SourceError(
            f"the Python module {missing!r} of the extra [v4l2] is missing; install it with: {install_command()}"
        ) from error


def _explained(path: Path, error: OSError) -> SourceError:
    """Return the error in words that say what to do."""
    advice = _ADVICE.get(error.errno or 0)
    kind = DeviceBusyError if error.errno == errno.EBUSY else SourceError
    return kind(f"{path}: {advice.format(path=path) if advice else error.strerror or error}")
