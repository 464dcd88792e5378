"""Plays the JPEG files of a folder over and over, their bytes untouched."""

from collections.abc import Iterator
from pathlib import Path

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import Device, SourceError, SourceInfo, SourceSettings
from pi_mjpeg_server.sources.ticker import ticks

_SUFFIXES = frozenset({".jpg", ".jpeg"})


class FilesSource:
    """A folder as a camera: `device` is the folder; its JPEG files are played in the order of their names."""

    def __init__(self, settings: SourceSettings) -> None:
        """Make one for `settings.device`."""
        self._settings = settings
        self._paths: list[Path] = []

    @staticmethod
    def devices() -> list[Device]:
        """Return none: any folder will do, so there is nothing to list."""
        return []

    def open(self) -> SourceInfo:
        """Find the files and read the first one, whose size stands for all."""
        settings = self._settings
        if not settings.device:
            raise SourceError("the source 'files' needs to know its folder: set device to a folder of JPEG files")
        if settings.rotation or settings.hflip or settings.vflip:
            raise SourceError("the source 'files' plays pictures as they are: leave out rotation, hflip and vflip")
        folder = Path(settings.device)
        if not folder.is_dir():
            raise SourceError(f"{folder} is not a folder")
        self._paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES)
        if not self._paths:
            raise SourceError(f"{folder} holds no .jpg files")
        first = _read(self._paths[0])
        return SourceInfo(model=f"Files of {folder.name}", size=jpeg.size(first), fps=settings.fps)

    def frames(self) -> Iterator[Picture | None]:
        """Yield the files in turn, each read anew, so a file that changes is seen."""
        number = 0
        for due in ticks(self._settings.fps):
            if not due:
                yield None
                continue
            yield Picture(_read(self._paths[number % len(self._paths)]))
            number += 1

    def close(self) -> None:
        """Forget the files."""
        self._paths = []


def _read(path: Path) -> bytes:
    data = path.read_bytes()
    try:
        jpeg.check(data)
    except jpeg.JpegError as error:
        raise SourceError(f"{path} is not a JPEG file: {error}") from error
    return data
