"""Finds or installs the Python that Home Assistant needs, 3.14.2 or newer. Debian 12 and Raspberry Pi OS have none."""

import shutil
import subprocess
from functools import cache as once
from pathlib import Path

from tooling import cache, debian
from tooling.errors import ScriptError
from tooling.installer import tool, uv
from tooling.processes import run
from tooling.progress import say

_MIN_VERSION = (3, 14, 2)
_SUITE = "forky"  # the first Debian with Python 3.14


@once
def home_assistant_python() -> Path:
    """Return a Python >= 3.14.2: from PATH, else downloaded by uv, else Debian's package unpacked in the cache.

    Raises ScriptError if there is none.
    """
    for name in ("python3.14", "python3"):
        found = shutil.which(name)
        if found and _is_supported(Path(found)):
            return Path(found)
    unpacked = cache.folder() / "python"
    if not unpacked.exists():
        downloaded = _download()
        if downloaded:
            return downloaded
    root = cache.ensure("python", f"{_SUITE} {_MIN_VERSION}", _unpack)
    return root / "usr/bin/python3.14"


def _is_supported(python: Path) -> bool:
    code = f"import sys; sys.exit(not {_MIN_VERSION} <= sys.version_info < (3, 15))"
    return subprocess.run([python, "-c", code], check=False).returncode == 0


def _download() -> Path | None:
    """Return an interpreter downloaded by uv, or None if the download fails."""
    folder = cache.folder() / "uv-python"
    try:
        # Without retries: if the site cannot be reached, they only cost time.
        uv("python", "install", "--no-bin", "--install-dir", folder, "3.14", env={"UV_HTTP_RETRIES": "0"})
    except ScriptError:
        say("uv cannot download Python 3.14: using Debian's")
        return None
    return next(folder.glob("*/bin/python3.14"), None)


def _unpack(into: Path) -> None:
    debian.unpack(["python3.14", "libstdc++6"], into, suite=_SUITE)
    python = into / "usr/bin/python3.14"
    # Its C library is newer than the machine's, so it needs its own loader too. DT_RPATH, unlike DT_RUNPATH, also
    # applies to the libraries that wheels load.
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
    if not _is_supported(python):
        message = (
            f"the Python of Debian {_SUITE} does not run here or is older than {_MIN_VERSION}: put a newer one on PATH"
        )
        raise ScriptError(message)
