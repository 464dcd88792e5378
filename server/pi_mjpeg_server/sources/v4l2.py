"""USB webcams: their own JPEGs passed on as they are, or YUYV encoded once."""

from __future__ import annotations

import errno
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Device, SourceError, SourceInfo, SourceSettings, yuyv
from pi_mjpeg_server.sources.webcam import RAW, RawFrame, VideoMode, Webcam, choose
from pi_mjpeg_server.sources.webcam_extra import install_command

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from pi_mjpeg_server.sources.controls import Control, ControlValue

_LOGGER = logging.getLogger(__name__)

DEVICES = Path("/dev")
_HEARTBEAT = 0.5
_ADVICE = {
    errno.EBUSY: "another program has it open: stop it (`fuser {path}` names it)",
    errno.EACCES: "not allowed: add this user to the group video (`sudo usermod -aG video $USER`)",
    errno.ENODEV: "it was unplugged",
    errno.ENOENT: "it is not there: unplugged?",
}


class V4L2Source:
    """One webcam. `device` is a name from /dev/v4l/by-id or by-path, a path, or a number; without one, the first."""

    def __init__(self, settings: SourceSettings) -> None:
        """Make a source; the device is not touched yet."""
        self._settings = settings
        self._webcam: Webcam | None = None
        self._mode = VideoMode("MJPG", settings.size, settings.fps)
        self._orientation = jpeg.orientation(settings.rotation, hflip=settings.hflip, vflip=settings.vflip)
        self.broken = 0

    @staticmethod
    def devices() -> list[Device]:
        """List the webcams, each by the name that stays its own whatever else is plugged in."""
        _require_linuxpy()
        return [Device(_stable_name(path), model, str(path)) for path, model in _webcams()]

    def open(self) -> SourceInfo:
        """Open the device and choose the mode nearest to what was asked."""
        _require_linuxpy()
        settings = self._settings
        path = _path(settings.device)
        try:
            self._webcam = Webcam(path)
            chosen = choose(self._webcam.modes(settings.size), settings.size, settings.fps)
            self._mode = self._webcam.set_mode(chosen, settings.fps)
        except OSError as error:
            raise SourceError(_explained(path, error)) from error
        refused = [name for name, value in settings.controls.items() if not self._try_control(name, value)]
        given = self._mode
        notes = []
        if given.size != settings.size or (given.fps and abs(given.fps - settings.fps) > 0.5):  # noqa: PLR2004  (fps)
            asked = f"{settings.size[0]}x{settings.size[1]} at {settings.fps:g} fps"
            notes.append(f"it has no {asked}; the nearest is {given.size[0]}x{given.size[1]} at {given.fps:g} fps")
        if refused:
            notes.append(f"it has no control of that name or range: {', '.join(refused)}")
        return SourceInfo(self._webcam.model, given.size, given.fps or None, note="; ".join(notes) or None)

    def frames(self) -> Iterator[Picture | None]:
        """Stream until closed. A frame that is truncated or marked as broken is left out and counted."""
        webcam = self._opened()
        try:
            webcam.start()
            while True:
                raw = webcam.read(_HEARTBEAT)
                yield None if raw is None else self._picture(raw)
        except OSError as error:
            raise SourceError(_explained(webcam.path, error)) from error
        finally:
            webcam.stop()

    def close(self) -> None:
        """Let go of the device."""
        webcam, self._webcam = self._webcam, None
        if webcam is not None:
            webcam.close()

    def controls(self) -> Mapping[str, Control]:
        """Return what can be adjusted, by the names of v4l2-ctl."""
        return {name: control for name, (_, control) in self._opened().controls().items()}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set one of them."""
        number, control = self._opened().controls()[name]
        self._opened().set_control(number, control, value)

    def _try_control(self, name: str, value: object) -> bool:
        found = self._opened().controls().get(name)
        if found is None:
            return False
        number, control = found
        try:
            self._opened().set_control(number, control, control.checked(value))
        except (OSError, ValueError):
            return False
        return True

    def _opened(self) -> Webcam:
        if self._webcam is None:
            raise SourceError("the webcam is not open")
        return self._webcam

    def _picture(self, raw: RawFrame) -> Picture | None:
        """Return the picture of a buffer, or `None` for one that is none."""
        try:
            data = b"" if raw.broken else self._jpeg(raw.data)
        except (jpeg.JpegError, ValueError):
            data = b""
        if not data:
            self.broken += 1
            _LOGGER.debug("%s: broken frame number %d left out", self._opened().path, self.broken)
            return None
        return Picture(jpeg.with_orientation(data, self._orientation), raw.taken or time.monotonic())

    def _jpeg(self, data: bytes) -> bytes:
        if self._mode.pixel_format in RAW:
            full_range = self._opened().full_range
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
        for folder in _named():
            if (folder / device).exists():
                return folder / device
    return Path(device) if device.startswith("/") else DEVICES / device


def _webcams() -> list[tuple[Path, str]]:
    """Return path and model of each device that gives pictures we can use; a webcam has others beside that one."""
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
    for folder in _named():
        for link in sorted(folder.iterdir()) if folder.is_dir() else ():
            if link.resolve() == path:
                return link.name
    return str(path)


def _named() -> tuple[Path, Path]:
    return DEVICES / "v4l" / "by-id", DEVICES / "v4l" / "by-path"


def _explained(path: Path, error: OSError) -> str:
    advice = _ADVICE.get(error.errno or 0)
    return f"{path}: {advice.format(path=path) if advice else error.strerror or error}"
