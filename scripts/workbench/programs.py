"""Programs that are not Python's: from PATH, else Debian's packages unpacked in the cache, without root."""

import ctypes
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
    "systemctl": _Package(("systemd",), "usr/bin/systemctl"),
    "systemd-analyze": _Package(("systemd",), "usr/bin/systemd-analyze"),
    "curl": _Package(("curl",), "usr/bin/curl"),
    "mpv": _Package(("mpv",), "usr/bin/mpv"),
    "nginx": _Package(("nginx-light",), "usr/sbin/nginx"),
    "caddy": _Package(("caddy",), "usr/bin/caddy"),
    "firefox": _Package(("firefox-esr", "fonts-dejavu-core"), "usr/lib/firefox-esr/firefox-esr"),
    "ustreamer": _Package(("ustreamer",), "usr/bin/ustreamer"),
    "ffmpeg": _Package(("ffmpeg",), "usr/bin/ffmpeg"),
    # /usr/bin/chromium is a script that knows only the system's own Chromium. Without a font it ends at once.
    "chromium": _Package(("chromium", "fonts-dejavu-core"), "usr/lib/chromium/chromium"),
}

# A daemon's place, which an ordinary person's PATH on Debian leaves out.
_DAEMONS = f"{os.pathsep}/usr/sbin"


def program(name: str) -> Path:
    """Return the path of one of the programs above.

    Raises ScriptError with what to install when it is not on PATH and cannot be had from Debian.
    """
    found = shutil.which(name, path=os.environ["PATH"] + _DAEMONS)
    if found:
        return Path(found)
    package = _PACKAGES[name]

    def make(into: Path) -> None:
        debian.unpack(package.packages, into)
        # Until Debian 13, packages put some into /bin.
        places = (into / package.path, into / package.path.removeprefix("usr/"))
        _wrap(into, next(place for place in places if place.exists()), into / name)

    return cache.made(f"program-{name}", repr(package), make) / name


def playwright_environment() -> dict[str, str]:
    """Return what Playwright's driver, a Node.js, needs in its environment where the system has no libatomic."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        unpacked = cache.made("libatomic", "", lambda into: debian.unpack(["libatomic1"], into))
        return {"LD_LIBRARY_PATH": _library_path(unpacked)}
    return {}


def _wrap(root: Path, target: Path, wrapper: Path) -> None:
    """Write a script that runs a program with the libraries and the fonts unpacked beside it."""
    wrapper.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH="{_library_path(root)}"\n'
        f'export FONTCONFIG_PATH="{root}/etc/fonts"\n'
        f'exec "{target}" "$@"\n'
    )
    wrapper.chmod(0o755)


def _library_path(root: Path) -> str:
    return ":".join(str(folder) for folder in debian.libraries(root))
