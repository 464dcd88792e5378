"""A source that plays the JPEG files of a folder in a loop."""

import stat
import time
from collections.abc import Iterator
from pathlib import Path

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.media.jpeg_parser import JpegParser
from pi_mjpeg_server.sources import Device, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.ticker import ticks

_SUFFIXES = frozenset({".jpg", ".jpeg"})
_MAX_BYTES = 32 * 1024 * 1024
_MAX_ABSENCE = 2.0
"""Seconds in which the folder may be empty or missing: whoever writes it anew removes the old files first."""


class FilesSource:
    """A folder as a camera. `device` is the folder; its JPEG files are played in the order of their names.

    The folder is listed each time it was played, so files that were added or removed count from the next time. One that
    is no JPEG, or one that no camera sends, is skipped and counted in `broken`.
    """

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; nothing is read yet."""
        self._settings = settings
        self._parser = JpegParser()
        self.broken = 0
        self.last_damage: str | None = None

    @staticmethod
    def devices() -> list[Device]:
        """Return nothing, because any folder can be a device."""
        return []

    def open(self) -> SourceInfo:
        """Read the first file that can be played, whose size is taken for all."""
        settings = self._settings
        if not settings.device:
            raise SourceError("the source 'files' needs a folder: set device to a folder of JPEG files")
        if settings.rotation or settings.hflip or settings.vflip:
            raise SourceError("the source 'files' plays pictures as they are: remove rotation, hflip and vflip")
        first = self._first_picture(self._paths())
        size = jpeg.upright_size(first)
        return SourceInfo(model=f"Files of {Path(settings.device).name}", size=size, fps=settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Yield the files in turn. Each is read again every time, so a changed file shows."""
        paths: Iterator[Path] = iter(())
        absent_since: float | None = None
        for due in ticks(lambda: self._settings.fps):
            path = next(paths, None) if due else None
            if due and path is None:
                now = time.monotonic()
                try:
                    paths = iter(self._paths())
                except SourceError:
                    absent_since = absent_since or now
                    if now - absent_since > _MAX_ABSENCE:
                        raise
                else:
                    absent_since, path = None, next(paths)
            yield None if path is None else self._picture(path)

    def close(self) -> None:
        """Do nothing: no file stays open."""

    def _paths(self) -> list[Path]:
        """Return the files in the order of their names. Raises `SourceError` when there are none."""
        folder = Path(self._settings.device or "")
        try:
            paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        except (FileNotFoundError, NotADirectoryError) as error:
            raise SourceError(f"{folder} is not a folder") from error
        except OSError as error:
            raise SourceError(f"{folder} cannot be read: {error.strerror or error}") from error
        if not paths:
            raise SourceError(f"{folder} holds no .jpg files")
        return paths

    def _first_picture(self, paths: list[Path]) -> bytes:
        """Return the first picture that can be read. Raises what is wrong with the first file when there is none."""
        failures = []
        for path in paths:
            try:
                return self._read(path)
            except SourceError as error:
                failures.append(error)
        if len(paths) == 1:
            raise failures[0]
        raise SourceError(f"none of the {len(paths)} files can be played; the first: {failures[0]}") from failures[0]

    def _picture(self, path: Path) -> Picture | None:
        try:
            return Picture(self._read(path))
        except SourceError as error:
            self.broken += 1
            self.last_damage = str(error)
            return None

    def _read(self, path: Path) -> bytes:
        """Return the picture in a file. Raises `SourceError` when there is none."""
        try:
            status = path.stat()
            if not stat.S_ISREG(status.st_mode):
                raise SourceError(f"{path} is not a file")
            if status.st_size > _MAX_BYTES:
                raise SourceError(f"{path} is larger than {_MAX_BYTES >> 20} MB")
            return self._parser.parse(path.read_bytes())
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
        except jpeg.JpegError as error:
            raise SourceError(f"{path} is not a JPEG file: {error}") from error
