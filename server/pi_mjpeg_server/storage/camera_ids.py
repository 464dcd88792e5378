"""The ids that cameras got by default, by device, kept across restarts in one small JSON file."""

import json
import logging
from collections.abc import Mapping
from pathlib import Path

from pi_mjpeg_server.storage.atomic_file import write_atomically
from pi_mjpeg_server.storage.safe_open import read_file

FILE_NAME = "camera_ids.json"
"""The name of the file in the state folder."""

_LOGGER = logging.getLogger(__name__)
_MAX_BYTES = 1_000_000


def load(file: Path) -> dict[str, str]:
    """Return the stored ids by device. When the file cannot be read, log why and return none."""
    try:
        stored = json.loads(read_file(file, _MAX_BYTES))
        if not isinstance(stored, dict) or not all(isinstance(each, str) for each in stored.values()):
            raise ValueError("it does not hold ids by device")  # noqa: TRY301  (likewise)
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        _LOGGER.warning("%s cannot be read, so cameras get their ids in the order of the file: %s", file, error)
        return {}
    return stored


def save(file: Path, ids: Mapping[str, str]) -> None:
    """Write the ids, with a warning if they cannot be written."""
    try:
        write_atomically(file, json.dumps(ids, indent=2).encode())
    except OSError as error:
        _LOGGER.warning("%s cannot be written, so cameras may get other ids: %s", file, error)
