"""Programs from PATH, or else from Debian packages that are unpacked in the cache without root."""

import ctypes
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from tooling import cache, debian


@dataclass(frozen=True)
class _Package:
    """The Debian packages of a program, and its path in them."""

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
    # Firefox only recommends libavcodec, without which it plays no H.264. Its package has another name in each release
    # of Debian; apt takes a regular expression.
    "firefox": _Package(("firefox-esr", "fonts-dejavu-core", "^libavcodec[0-9]+$"), "usr/lib/firefox-esr/firefox-esr"),
    "ustreamer": _Package(("ustreamer",), "usr/bin/ustreamer"),
    "motion": _Package(("motion",), "usr/bin/motion"),
    "ffmpeg": _Package(("ffmpeg",), "usr/bin/ffmpeg"),
    # /usr/bin/chromium is a script that finds only the system's own Chromium. Chromium exits at once without a font.
    "chromium": _Package(("chromium", "fonts-dejavu-core"), "usr/lib/chromium/chromium"),
}

# The folder of daemons, which a user's PATH on Debian does not have.
_SBIN = f"{os.pathsep}/usr/sbin"


def program(name: str) -> Path:
    """Return the path of one of the programs above.

    Raises ScriptError, which says what to install, if it is not on PATH and Debian's package cannot be downloaded.
    """
    found = shutil.which(name, path=os.environ["PATH"] + _SBIN)
    if found:
        return Path(found)
    package = _PACKAGES[name]

    def build(into: Path) -> None:
        debian.unpack(package.packages, into)
        # Before Debian 13, some packages use /bin.
        candidates = (into / package.path, into / package.path.removeprefix("usr/"))
        _wrap(into, next(path for path in candidates if path.exists()), into / name)

    return cache.ensure(f"program-{name}", repr(package), build) / name


def playwright_environment() -> dict[str, str]:
    """Return the environment variables for Playwright's Node.js driver, which needs libatomic."""
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        unpacked = cache.ensure("libatomic", "", lambda into: debian.unpack(["libatomic1"], into))
        return {"LD_LIBRARY_PATH": _library_path(unpacked)}
    return {}


def _wrap(root: Path, target: Path, wrapper: Path) -> None:
    """Write a script that runs a program with the unpacked libraries and fonts."""
    wrapper.write_text(
        "#!/bin/sh\n"
        f'export LD_LIBRARY_PATH="{_library_path(root)}"\n'
        f'export FONTCONFIG_PATH="{root}/etc/fonts"\n'
        f'exec "{target}" "$@"\n'
    )
    wrapper.chmod(0o755)


def _library_path(root: Path) -> str:
    return ":".join(str(folder) for folder in debian.libraries(root))
