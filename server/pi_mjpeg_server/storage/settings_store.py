"""What people have set for each camera besides its controls: privacy and motion detection. One small JSON file."""

import errno
import json
import os
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import opened_folder, read_file

_MAX_BYTES = 1_000_000


class UnreadableSettingsError(Exception):
    """The file exists, but cannot be read; the message says why."""


class SettingsNotStoredError(Exception):
    """A setting is in force, but could not be stored; the message says what follows."""


class SettingsStore:
    """Whether each camera is switched on, and its motion settings that were changed, by camera id.

    The file holds `{"front": {"enabled": false, "motion": {"sensitivity": 40}}}`; `motion` may be missing. Cameras that
    are not configured any more stay in the file: one that comes back is still off. The methods block on the disk: call
    them in a thread.
    """

    def __init__(self, file: Path) -> None:
        """Keep the settings in `file`, which need not exist yet."""
        self._file = file
        self._lock = threading.Lock()

    def load(self) -> dict[str, bool]:
        """Return whether each stored camera is switched on. Raises `UnreadableSettingsError`."""
        return {camera: settings["enabled"] for camera, settings in self._read().items()}

    def load_motion(self) -> dict[str, object]:
        """Return what is stored as the motion settings of each camera, as it is in the file; nothing if unreadable."""
        try:
            return {camera: settings["motion"] for camera, settings in self._read().items() if "motion" in settings}
        except UnreadableSettingsError:
            return {}

    def save(self, enabled: Mapping[str, bool], motion: Mapping[str, Mapping[str, object]] | None = None) -> None:
        """Store whether these cameras are switched on, and their motion settings that were changed.

        It is on the disk when this returns. Raises `OSError`.
        """
        with self._lock:
            try:
                stored = self._read()
            except UnreadableSettingsError:
                stored = {}
            for camera, value in enabled.items():
                stored[camera] = {**stored.get(camera, {}), "enabled": value}
                if motion and motion.get(camera):
                    stored[camera]["motion"] = dict(motion[camera])
            write_atomically(self._file, json.dumps(stored, indent=2).encode())
            _sync_folder(self._file.parent)

    def _read(self) -> dict[str, dict[str, Any]]:
        try:
            stored = json.loads(read_file(self._file, _MAX_BYTES))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise UnreadableSettingsError(str(error)) from error
        except (ValueError, RecursionError) as error:
            raise UnreadableSettingsError(f"{self._file} is not JSON, or is too large") from error
        if not isinstance(stored, dict) or not all(map(_is_valid, stored.values())):
            raise UnreadableSettingsError(f"{self._file} does not say of each camera whether it is enabled")
        return stored


def _sync_folder(folder: Path) -> None:
    """Write the names in a folder to the disk: without this, a power cut may bring the old file back."""
    with opened_folder(folder) as path:
        # fsync(2) does not take the descriptor of a path.
        descriptor = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=path)
    try:
        os.fsync(descriptor)
    except OSError as error:
        # Some file systems do not know this; they have nothing to write then.
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(descriptor)


def _is_valid(settings: object) -> bool:
    return isinstance(settings, dict) and isinstance(settings.get("enabled"), bool)
