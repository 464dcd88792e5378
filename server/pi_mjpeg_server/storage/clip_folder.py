"""Where clips are kept by default: in memory, because an SD card wears out."""

import hashlib
import logging
import os
import stat
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108  (the folder below it is checked)


def default_clip_folder(state_folder: Path) -> Path:
    """Return a folder in memory for the clips of the server with this state folder.

    It is below systemd's RuntimeDirectory, else below the user's runtime folder, else in /dev/shm: another server of
    the same user has another one. Where there is none of these, it is `clips` in the state folder, with a warning.
    """
    if service := os.environ.get("RUNTIME_DIRECTORY", "").split(":")[0]:
        return Path(service) / "clips"
    name = f"pi-mjpeg-{hashlib.sha256(bytes(state_folder.absolute())).hexdigest()[:8]}"
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _is_own(Path(runtime)):
        return Path(runtime) / name / "clips"
    shared = _SHARED_MEMORY / f"{name}-{os.geteuid()}"
    try:
        # Everybody may make folders there. One that somebody else has made is not used.
        shared.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        _LOGGER.debug("%s cannot be made: %s", shared, error)
    if _is_own(shared):
        return shared / "clips"
    _LOGGER.warning("there is no folder in memory for clips, so they are kept in %s", state_folder / "clips")
    return state_folder / "clips"


def _is_own(folder: Path) -> bool:
    """Return whether this is a folder, and no link, that nobody else can write to."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
