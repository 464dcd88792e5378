"""Programs that are not Python's: from PATH, else Debian's packages unpacked in the cache, without root."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from workbench import cache, debian


@dataclass(frozen=True)
class _Package:
    """Where Debian keeps a program: its packages, and its path in them."""

    packages: tuple[str, ...]
    path: str


_PACKAGES = {
    "mosquitto": _Package(("mosquitto",), "usr/sbin/mosquitto"),
    "curl": _Package(("curl",), "usr/bin/curl"),
    "ffmpeg": _Package(("ffmpeg",), "usr/bin/ffmpeg"),
    # /usr/bin/chromium is a script that knows only the system's own Chromium. Without a font it ends at once.
    "chromium": _Package(("chromium", "fonts-dejavu-core"), "usr/lib/chromium/chromium"),
}

# A daemon's place, which an ordinary person's PATH on Debian leaves out.
_DAEMONS = f"{os.pathsep}/usr/sbin"


def program(name: str) -> Path:
    """Return the path of Mosquitto, curl, ffmpeg or Chromium.

    Raises Trouble with what to install when it is not on PATH and cannot be had from Debian.
    """
    found = shutil.which(name, path=os.environ["PATH"] + _DAEMONS)
    if found:
        return Path(found)
    package = _PACKAGES[name]

    def make(into: Path) -> None:
        debian.unpack(package.packages, into)
        _wrap(into, into / package.path, into / name)

    return cache.made(f"program-{name}", repr(package), make) / name


def _wrap(root: Path, target: Path, wrapper: Path) -> None:
    """Write a script that runs a program with the libraries and the fonts unpacked beside it."""
    # Some packages keep their libraries in folders of their own, which Debian's ldconfig would know.
    folders = {library.parent for library in debian.libraries(root).rglob("*.so*")}
    path = ":".join(str(folder) for folder in sorted(folders))
    wrapper.write_text(
        f'#!/bin/sh\nexport LD_LIBRARY_PATH="{path}"\nexport FONTCONFIG_PATH="{root}/etc/fonts"\nexec "{target}" "$@"\n'
    )
    wrapper.chmod(0o755)
