"""A stand-in for the detector: compares each picture with the one before."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

from pi_mjpeg_server.media import jpeg
from pi_mjpeg_server.motion.settings import Region

_COLUMNS, _ROWS = 32, 18


@dataclass(frozen=True, slots=True)
class Look:
    """What one picture shows."""

    moving: bool
    area: float
    box: Region | None
    columns: int
    rows: int
    cells: bytes


class MotionDetector:
    """Compares each picture with the one before."""

    def __init__(self, *, sensitivity: int = 50, watch: Sequence[Region] = (), ignore: Sequence[Region] = ()) -> None:
        """Start without a picture."""
        self._watched = [
            (not watch or any(_inside(region, cell) for region in watch))
            and not any(_inside(region, cell) for region in ignore)
            for cell in range(_COLUMNS * _ROWS)
        ]
        self._limit = 105 - sensitivity
        self._before: bytes | None = None

    def look(self, picture: bytes, taken: float, exposure: float | None = None) -> Look:  # noqa: ARG002
        """Compare a picture with the one before."""
        from PIL import Image  # noqa: PLC0415

        jpeg.check_limits(picture)
        with Image.open(io.BytesIO(picture), formats=["JPEG"]) as image:
            image.draft("L", (_COLUMNS, _ROWS))
            now = image.convert("L").resize((_COLUMNS, _ROWS)).tobytes()
        before, self._before = self._before or now, now
        cells = bytes(
            (2 if abs(old - new) > self._limit / 3 else 0) if watched else 1
            for watched, old, new in zip(self._watched, before, now, strict=True)
        )
        moved = [at for at, cell in enumerate(cells) if cell == 2]  # noqa: PLR2004
        box = None
        if moved:
            xs, ys = [at % _COLUMNS for at in moved], [at // _COLUMNS for at in moved]
            box = (
                min(xs) / _COLUMNS,
                min(ys) / _ROWS,
                (max(xs) + 1 - min(xs)) / _COLUMNS,
                (max(ys) + 1 - min(ys)) / _ROWS,
            )
        return Look(bool(moved), len(moved) / max(1, sum(self._watched)), box, _COLUMNS, _ROWS, cells)


def _inside(region: Region, cell: int) -> bool:
    x, y = (cell % _COLUMNS + 0.5) / _COLUMNS, (cell // _COLUMNS + 0.5) / _ROWS
    return region[0] <= x < region[0] + region[2] and region[1] <= y < region[1] + region[3]
