"""Things made once and kept in the project's cache folder: interpreters, environments, unpacked packages."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from workbench.progress import step

ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """Return the cache folder: PI_MJPEG_CACHE, or .cache in the checkout."""
    path = Path(os.environ.get("PI_MJPEG_CACHE") or ROOT / ".cache").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def made(name: str, recipe: str, make: Callable[[Path], None]) -> Path:
    """Return folder NAME of the cache, making it by MAKE unless it is there, whole and of the same RECIPE.

    The stamp is written last, so that a half-made folder is made anew. Two scripts that want the same thing at
    once wait for each other.
    """
    path = folder() / name
    stamp = folder() / f"{name}.stamp"
    wanted = hashlib.sha256(recipe.encode()).hexdigest()
    with locked(name):
        if path.is_dir() and stamp.exists() and stamp.read_text() == wanted:
            return path
        stamp.unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        with step(f"making {name}"):
            make(path)
        stamp.write_text(wanted)
    return path


@contextmanager
def locked(name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock on a folder of the cache; without WAIT, raise BlockingIOError when another script holds it."""
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
