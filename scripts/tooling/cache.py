"""The project's cache folder: interpreters, environments and unpacked packages that are built once."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tooling.progress import step

ROOT = Path(__file__).resolve().parents[2]


def folder() -> Path:
    """Return the cache folder: PI_MJPEG_CACHE, or .cache in the checkout."""
    path = Path(os.environ.get("PI_MJPEG_CACHE") or ROOT / ".cache").resolve()
    path.mkdir(parents=True, exist_ok=True)
    return path


def ensure(name: str, recipe: str, build: Callable[[Path], None]) -> Path:
    """Return the folder `name` of the cache. Build it first if it is missing, incomplete or of another `recipe`.

    The stamp is written last, so an interrupted build is repeated. Two scripts that need the same folder at the same
    time wait for each other.
    """
    path = folder() / name
    stamp = folder() / f"{name}.stamp"
    wanted = hashlib.sha256(recipe.encode()).hexdigest()
    with locked(name):
        if path.is_dir() and stamp.exists() and stamp.read_text() == wanted:
            return path
        stamp.unlink(missing_ok=True)
        shutil.rmtree(path, ignore_errors=True)
        with step(f"building {name}"):
            build(path)
        stamp.write_text(wanted)
    return path


@contextmanager
def locked(name: str, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a folder of the cache. Raises BlockingIOError if another script holds it and `wait` is false."""
    with (folder() / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        yield
