"""Writes files so that a reader finds the old content or the new, and never a part of it."""

import contextlib
import os
import secrets
from pathlib import Path

PREFIX = ".unfinished-"
"""The names of temporary files begin with this. One that stays behind is from a process that was killed."""


def write_atomically(
    path: Path, data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None, sync: bool = True
) -> None:
    """Replace the content of `path` by `data`, in one step. A missing folder is made (0700).

    The new file has the permissions `mode`, whatever the umask is. `owner` is its user id and group id; the default
    is this process's. Without `sync`, the content reaches the disk when the kernel writes it, which is faster, but a
    power cut until then may leave an empty file.

    Raises `OSError`. The old file is then unchanged, and no temporary file stays behind.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{PREFIX}{path.name}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            os.fchmod(file.fileno(), mode)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            file.write(data)
            if sync:
                # rename(2) does not wait for the data: the new name could be on the disk before the content is.
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote. Raises `OSError`.

    Call it only where no other process or thread writes to `folder` at the same time: its file would be removed too.
    """
    for path in folder.glob(f"{PREFIX}*"):
        path.unlink(missing_ok=True)
