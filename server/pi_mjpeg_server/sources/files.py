"""A source that plays the JPEG files of a folder in a loop."""

from collections.abc import Iterator
from pathlib import Path

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.media.jpeg_parser import JpegParser
from pi_mjpeg_server.sources import Device, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.ticker import ticks

_SUFFIXES = frozenset({".jpg", ".jpeg"})
_MAX_BYTES = 32 * 1024 * 1024


class FilesSource:
    """A folder as a camera. `device` is the folder; its JPEG files are played in the order of their names.

    A file that has become no JPEG, or one that no camera sends, is skipped and counted in `broken`.
    """

    def __init__(self, settings: SourceSettings) -> None:
        """Take the settings; nothing is read yet."""
        self._settings = settings
        self._paths: list[Path] = []
        self._parser = JpegParser()
        self.broken = 0
        self.last_damage: str | None = None

    @staticmethod
    def devices() -> list[Device]:
        """Return nothing, because any folder can be a device."""
        return []

    def open(self) -> SourceInfo:
        """List the files and read the first one, whose size is taken for all."""
        settings = self._settings
        if not settings.device:
            raise SourceError("the source 'files' needs a folder: set device to a folder of JPEG files")
        if settings.rotation or settings.hflip or settings.vflip:
            raise SourceError("the source 'files' plays pictures as they are: remove rotation, hflip and vflip")
        folder = Path(settings.device)
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder")
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        if not self._paths:
            raise SourceError(f"{folder} holds no .jpg files")
        first = self._read(self._paths[0])
        return SourceInfo(model=f"Files of {folder.name}", size=jpeg.upright_size(first), fps=settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Yield the files in turn. Each is read again every time, so a changed file shows."""
        number = 0
        for due in ticks(lambda: self._settings.fps):
            if not due:
                yield None
                continue
            path = self._paths[number % len(self._paths)]
            number += 1
            try:
                yield Picture(self._read(path))
            except SourceError as error:
                self.broken += 1
                self.last_damage = str(error)
                yield None

    def close(self) -> None:
        """Drop the list of files."""
        self._paths = []

    def _read(self, path: Path) -> bytes:
        """Return the picture in a file. Raises `SourceError` when there is none."""
        try:
            if not path.is_file() or path.stat().st_size > _MAX_BYTES:
                raise SourceError(f"{path} is not a file of at most {_MAX_BYTES >> 20} MB")
            return self._parser.parse(path.read_bytes())
        except OSError as error:
            raise SourceError(f"{path} cannot be read: {error.strerror or error}") from error
        except jpeg.JpegError as error:
            raise SourceError(f"{path} is not a JPEG file: {error}") from error
