"""Finds the clips of earlier processes in their folder, also those that a killed process left unfinished."""

import contextlib
import logging
import os
import re
from collections.abc import Iterator
from pathlib import Path

from pi_mjpeg_server.storage.atomic_file import PREFIX
from pi_mjpeg_server.storage.clip import TRIGGERS, Clip, ClipError, file_name, read_clip
from pi_mjpeg_server.storage.clip_file import read_parts
from pi_mjpeg_server.storage.picture_ids import ID

_LOGGER = logging.getLogger(__name__)
_FILE = re.compile(rf"({ID.pattern})\.({'|'.join(TRIGGERS)})\.mjpeg")
_FLAGS = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC


def recovered_clips(folder: Path) -> Iterator[Clip]:
    """Yield the clips in a folder. An unfinished one is cut behind its last whole picture; one without any is deleted.

    Blocks on the disk. A folder or file that cannot be read is left alone, with a warning.
    """
    try:
        paths = sorted(folder.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        _LOGGER.warning("the clips in %s cannot be read: %s", folder, error)
        return
    for path in paths:
        if found := _FILE.fullmatch(path.name.removeprefix(PREFIX)):
            clip = _recover(path, found[1], found[2])
            if clip is not None:
                yield clip


def _recover(path: Path, identity: str, trigger: str) -> Clip | None:
    try:
        descriptor = os.open(path, _FLAGS)
        try:
            parts = list(read_parts(descriptor))
            clip = read_clip(identity, trigger, descriptor, parts)
            if os.fstat(descriptor).st_size != clip.bytes:
                os.ftruncate(descriptor, clip.bytes)
        finally:
            os.close(descriptor)
        if path.name.startswith(PREFIX):
            path.replace(path.with_name(file_name(identity, trigger)))
            _LOGGER.info("the clip %s was not finished; its first %.1f s are kept", clip.id, clip.duration)
    except (ClipError, ValueError) as error:
        _LOGGER.info("%s is deleted, because %s", path, error)
        with contextlib.suppress(OSError):
            path.unlink(missing_ok=True)
        return None
    except OSError as error:
        _LOGGER.warning("%s cannot be read: %s", path, error)
        return None
    return clip
