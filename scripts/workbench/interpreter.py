"""The Python that Home Assistant needs (3.14.2 or newer), which Debian 12 and Raspberry Pi OS do not have."""

import shutil
import subprocess
from functools import cache as once
from pathlib import Path

from workbench import cache, debian
from workbench.errors import ScriptError
from workbench.installer import tool, uv
from workbench.processes import run
from workbench.progress import say

_OLDEST = (3, 14, 2)
_SUITE = "forky"  # the first Debian with Python 3.14


@once
def home_assistant_python() -> Path:
    """Return a Python >= 3.14.2: one on PATH, else one that uv downloads, else Debian's, unpacked in the cache.

    Raises ScriptError when there is no way to get one.
    """
    for name in ("python3.14", "python3"):
        found = shutil.which(name)
        if found and _serves(Path(found)):
            return Path(found)
    unpacked = cache.folder() / "python"
    if not unpacked.exists():
        downloaded = _download()
        if downloaded:
            return downloaded
    root = cache.made("python", f"{_SUITE} {_OLDEST}", _unpack)
    return root / "usr/bin/python3.14"


def _serves(python: Path) -> bool:
    code = f"import sys; sys.exit(not {_OLDEST} <= sys.version_info < (3, 15))"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def _download() -> Path | None:
    """Return an interpreter of uv's, or None at once where its download site cannot be reached."""
    folder = cache.folder() / "uv-python"
    try:
        # Where the site cannot be reached, asking again only makes a person wait.
        uv("python", "install", "--no-bin", "--install-dir", folder, "3.14", env={"UV_HTTP_RETRIES": "0"})
    except ScriptError:
        say("uv cannot download Python 3.14 here: taking Debian's")
        return None
    return next(folder.glob("*/bin/python3.14"), None)


def _unpack(into: Path) -> None:
    debian.unpack(["python3.14", "libstdc++6"], into, suite=_SUITE)
    python = into / "usr/bin/python3.14"
    # Its C library is newer than the machine's, so it must bring its own loader too. DT_RPATH (not DT_RUNPATH) also
    # holds for the libraries that wheels load.
    run(
        [
            tool("patchelf"),
            "--set-interpreter",
            debian.loader(into),
            "--force-rpath",
            "--set-rpath",
            ":".join(str(folder) for folder in debian.libraries(into)),
            python,
        ]
    )
    if not _serves(python):
        message = f"Debian {_SUITE}'s Python does not run here, or is older than {_OLDEST}: put a newer one on PATH"
        raise ScriptError(message)
