"""Where clips are kept by default: in memory, because an SD card wears out."""

import hashlib
import logging
import os
import stat
from pathlib import Path

_LOGGER = logging.getLogger(__name__)
_MIN_BYTES = 1_000_000
_MAX_BYTES = 256_000_000
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


def default_max_bytes(folder: Path) -> int:
    """Return how many bytes the clips in a folder may take: half of the disk or memory, and at most 256 MB.

    /run has a fifth of the machine's memory, on a Pi with 512 MB about 90 MB.
    """
    existing = next((each for each in (folder, *folder.parents) if each.exists()), Path("/"))
    disk = os.statvfs(existing)
    return max(_MIN_BYTES, min(_MAX_BYTES, disk.f_blocks * disk.f_frsize // 2))


def _is_own(folder: Path) -> bool:
    """Return whether this is a folder, and no link, that nobody else can write to."""
    try:
        status = folder.lstat()
    except OSError:
        return False
    return stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid() and not status.st_mode & 0o022
