"""The controls that people set, kept across restarts in one small file."""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from pi_mjpeg_server.sources.controls import ControlValue

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000


class ControlStore:
    """What was set, by camera id and control name. Its methods read and write a file, so they belong in a thread."""

    def __init__(self, file: Path) -> None:
        """Keep them in `file`."""
        self._file = file
        self._saving = threading.Lock()

    def load(self) -> dict[str, dict[str, ControlValue]]:
        """Return all that was kept; what cannot be read counts as nothing, and is told in the log."""
        if not self._file.exists():
            return {}
        try:
            if self._file.stat().st_size > _MAX_BYTES:
                raise ValueError("it is too large")  # noqa: TRY301  (told like the other reasons)
            kept = json.loads(self._file.read_text())
            return {
                str(camera): {
                    str(name): value for name, value in values.items() if isinstance(value, bool | int | float | str)
                }
                for camera, values in kept.items()
            }
        except (OSError, ValueError, AttributeError, RecursionError) as error:
            _LOGGER.warning("%s cannot be read, so controls begin at their defaults: %s", self._file, error)
            return {}

    def save(self, camera: str, values: Mapping[str, ControlValue]) -> None:
        """Keep one camera's values in place of those kept before. Raises `OSError` when the disk does not take it."""
        with self._saving:
            kept = self.load()
            kept[camera] = dict(values)
            unfinished = self._file.with_suffix(".new")
            unfinished.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            unfinished.write_text(json.dumps(kept, indent=2))
            unfinished.replace(self._file)
