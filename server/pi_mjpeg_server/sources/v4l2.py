"""USB webcams: their JPEGs are passed on unchanged; YUYV is encoded once."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Device, SourceError, SourceInfo, SourceSettings, yuyv
from pi_mjpeg_server.sources.webcam import RAW, RawFrame, VideoMode, Webcam, nearest_mode
from pi_mjpeg_server.sources.webcam_extra import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pi_mjpeg_server.sources.controls import Control, ControlValue

_LOGGER = logging.getLogger(__name__)

DEVICES = Path("/dev")
_HEARTBEAT = 0.5  # seconds
_ADVICE = {
    errno.EBUSY: "another program has it open: stop it (`fuser {path}` names it)",
    errno.EACCES: "not allowed: add this user to the group video (`sudo usermod -aG video $USER`)",
    errno.ENODEV: "it was unplugged",
    errno.ENOENT: "it is not there: unplugged?",
}


class V4L2Source:
    """One webcam. `device` is a name from /dev/v4l/by-id or by-path, a path, or a number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; the device is not opened yet."""
        self._settings = settings
        self._webcam: Webcam | None = None
        self._mode = VideoMode("MJPG", settings.size, settings.fps)
        self._orientation = jpeg.orientation(settings.rotation, hflip=settings.hflip, vflip=settings.vflip)
        self.broken = 0

    @staticmethod
    def devices() -> list[Device]:
        """Return the webcams, each by a name that does not depend on what else is plugged in."""
        _require_linuxpy()
        return [Device(_stable_name(path), model, str(path)) for path, model in _webcams()]

    def open(self) -> SourceInfo:
        """Open the device and set the video mode nearest to the request."""
        _require_linuxpy()
        settings = self._settings
        path = _path(settings.device)
        try:
            self._webcam = Webcam(path)
            nearest = nearest_mode(self._webcam.modes(settings.size), settings.size, settings.fps)
            self._mode = self._webcam.set_mode(nearest, settings.fps)
        except OSError as error:
            raise SourceError(_explain(path, error)) from error
        refused = [name for name, value in settings.controls.items() if not self._try_control(name, value)]
        actual = self._mode
        notes = []
        if actual.size != settings.size or (actual.fps and abs(actual.fps - settings.fps) > 0.5):  # noqa: PLR2004  (fps)
            requested = f"{settings.size[0]}x{settings.size[1]} at {settings.fps:g} fps"
            notes.append(
                f"it has no {requested}; the nearest is {actual.size[0]}x{actual.size[1]} at {actual.fps:g} fps"
            )
        if refused:
            notes.append(f"it has no control of that name or range: {', '.join(refused)}")
        size = jpeg.upright(actual.size, self._orientation)
        return SourceInfo(self._webcam.model, size, actual.fps or None, note="; ".join(notes) or None)

    def frames(self) -> Iterator[Picture | None]:
        """Stream until closed. A frame that is truncated or marked as broken is skipped and counted in `broken`."""
        webcam = self._require_webcam()
        try:
            webcam.start()
            while True:
                raw = webcam.read(_HEARTBEAT)
                yield None if raw is None else self._picture(raw)
        except OSError as error:
            raise SourceError(_explain(webcam.path, error)) from error
        finally:
            webcam.stop()

    def close(self) -> None:
        """Close the device."""
        webcam, self._webcam = self._webcam, None
        if webcam is not None:
            webcam.close()

    def controls(self) -> Mapping[str, Control]:
        """Return the controls by the names that v4l2-ctl uses."""
        return {name: control for name, (_, control) in self._require_webcam().controls().items()}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set a control."""
        control_id, control = self._require_webcam().controls()[name]
        self._require_webcam().set_control(control_id, control, value)

    def _try_control(self, name: str, value: object) -> bool:
        found = self._require_webcam().controls().get(name)
        if found is None:
            return False
        control_id, control = found
        try:
            self._require_webcam().set_control(control_id, control, control.validate(value))
        except (OSError, ValueError):
            return False
        return True

    def _require_webcam(self) -> Webcam:
        if self._webcam is None:
            raise SourceError("the webcam is not open")
        return self._webcam

    def _picture(self, raw: RawFrame) -> Picture | None:
        """Return the picture in a buffer, or None if it is broken."""
        try:
            data = b"" if raw.broken else self._jpeg(raw.data)
        except (jpeg.JpegError, ValueError):
            data = b""
        if not data:
            self.broken += 1
            _LOGGER.debug("%s: skipped broken frame number %d", self._require_webcam().path, self.broken)
            return None
        return Picture(jpeg.with_orientation(data, self._orientation), raw.taken or time.monotonic())

    def _jpeg(self, data: bytes) -> bytes:
        if self._mode.pixel_format in RAW:
            full_range = self._require_webcam().full_range
            return yuyv.encode(data, self._mode.size, self._settings.quality, full_range=full_range)
        jpeg.check(data)
        return jpeg.with_huffman_tables(data)


def _require_linuxpy() -> None:
    try:
        import linuxpy.video.device  # noqa: F401
    except ImportError as error:
        missing = error.name or "linuxpy"
        raise SourceError(
            f"the Python module {missing!r} of the extra [v4l2] is missing; install it with: {install_command()}"
        ) from error


def _path(device: str | None) -> Path:
    if device is None:
        webcams = _webcams()
        if not webcams:
            raise SourceError("no webcam is plugged in; `pi-mjpeg cameras` lists those that are")
        return webcams[0][0]
    if device.isdigit():
        return DEVICES / f"video{device}"
    if "/" not in device:
        for folder in _link_folders():
            if (folder / device).exists():
                return folder / device
    return Path(device) if device.startswith("/") else DEVICES / device


def _webcams() -> list[tuple[Path, str]]:
    """Return path and model of each device that offers a format we can use; a webcam also has devices that do not."""
    found = []
    for path in sorted(DEVICES.glob("video*"), key=lambda path: (len(path.name), path.name)):
        try:
            webcam = Webcam(path)
        except (OSError, SourceError):
            continue
        try:
            if "usb" in webcam.bus.lower() and webcam.modes((1280, 720)):
                found.append((path, webcam.model))
        except OSError:
            continue
        finally:
            webcam.close()
    return found


def _stable_name(path: Path) -> str:
    for folder in _link_folders():
        for link in sorted(folder.iterdir()) if folder.is_dir() else ():
            if link.resolve() == path:
                return link.name
    return str(path)


def _link_folders() -> tuple[Path, Path]:
    return DEVICES / "v4l" / "by-id", DEVICES / "v4l" / "by-path"


def _explain(path: Path, error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0)
    return f"{path}: {advice.format(path=path) if advice else error.strerror or error}"
