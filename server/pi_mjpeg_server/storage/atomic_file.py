"""Writes files so that a reader finds the old content or the new, and never a part of it."""

import contextlib
import os
import secrets
from pathlib import Path

from pi_mjpeg_server.storage.safe_open import opened_folder

PREFIX = ".unfinished-"
"""The names of temporary files begin with this. One that stays behind is from a process that was killed."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, sync: bool = True) -> None:
    """Replace the content of `path` by `data`, in one step. A missing folder is made (0700).

    The new file has the permissions `mode`, whatever the umask is. What root writes belongs to the owner of the folder:
    the service, which runs as another user, has to read it. A link of that name is replaced, not followed. Without
    `sync`, the content reaches the disk when the kernel writes it, which is faster, but a power cut until then may
    leave an empty file.

    Raises `OSError`. The old file is then unchanged, and no temporary file stays behind.
    """
    unfinished = f"{PREFIX}{path.name}-{secrets.token_hex(4)}"
    with opened_folder(path.parent, create=True) as folder:
        try:
            descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode, dir_fd=folder)
            with os.fdopen(descriptor, "wb") as file:
                os.fchmod(descriptor, mode)
                _give_to_owner_of(folder, descriptor)
                file.write(data)
                if sync:
                    # rename(2) does not wait for the data: the new name could be on the disk before the content is.
                    file.flush()
                    os.fsync(descriptor)
            os.replace(unfinished, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException as error:
            with contextlib.suppress(OSError):
                os.unlink(unfinished, dir_fd=folder)
            if isinstance(error, OSError):
                error.filename, error.filename2 = str(path), None
            raise


def _give_to_owner_of(folder: int, descriptor: int) -> None:
    wanted, present = os.fstat(folder), os.fstat(descriptor)
    owner = wanted.st_uid, wanted.st_gid
    if os.geteuid() == 0 and owner != (present.st_uid, present.st_gid):
        os.fchown(descriptor, *owner)


def remove_unfinished(folder: Path) -> None:
    """Remove the temporary files of processes that were killed while they wrote. Raises `OSError`.

    Call it only where no other process or thread writes to `folder` at the same time: its file would be removed too.
    """
    for path in folder.glob(f"{PREFIX}*"):
        path.unlink(missing_ok=True)
