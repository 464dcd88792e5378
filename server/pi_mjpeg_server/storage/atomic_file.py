"""Files that are there whole or not at all, whatever happens while they are written."""

import contextlib
import os
import secrets
from pathlib import Path

PREFIX = ".unfinished-"
"""How the names of unfinished files begin; one that is left over is of a process that was killed."""


def write_atomically(path: Path, data: bytes, *, mode: int = 0o600, owner: tuple[int, int] | None = None) -> None:
    """Write `data` to `path` in place of what was there, with the permissions `mode`.

    `owner` is user and group id of the new file; left out, they are this process's. The folder is made when it is
    missing (0700). Raises `OSError`; the old file is then still there, and nothing unfinished is left.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    unfinished = path.with_name(f"{PREFIX}{path.name}-{secrets.token_hex(4)}")
    try:
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(data)
            if owner is not None:
                os.fchown(file.fileno(), *owner)
            # Without it, a power cut may leave an empty file under the new name (rename(2) orders no data).
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise
