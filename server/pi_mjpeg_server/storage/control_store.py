"""The camera controls that people have set, kept across restarts in one small JSON file."""

import json
import logging
import threading
from collections.abc import Mapping
from pathlib import Path

from pi_mjpeg_server.sources.controls import ControlValue
from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000


class ControlStore:
    """Control values by camera id and control name. The methods block on the disk: call them in a thread."""

    def __init__(self, file: Path) -> None:
        """Keep the values in `file`, which need not exist yet."""
        self._file = file
        self._lock = threading.Lock()

    def load(self) -> dict[str, dict[str, ControlValue]]:
        """Return all stored values. When the file cannot be read, log why and return none."""
        try:
            stored = json.loads(read_file(self._file, _MAX_BYTES))
            if not isinstance(stored, dict) or not all(isinstance(values, dict) for values in stored.values()):
                raise TypeError("it does not hold controls by camera")  # noqa: TRY301  (logged below)
            return {
                str(camera): {
                    str(name): value for name, value in values.items() if isinstance(value, bool | int | float | str)
                }
                for camera, values in stored.items()
            }
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, RecursionError) as error:
            _LOGGER.warning("%s cannot be read, so controls begin at their defaults: %s", self._file, error)
            return {}

    def save(self, camera: str, values: Mapping[str, ControlValue]) -> None:
        """Store one camera's values in place of its earlier ones. Raises `OSError` when they cannot be written."""
        with self._lock:
            stored = self.load()
            stored[camera] = dict(values)
            write_atomically(self._file, json.dumps(stored, indent=2).encode())
