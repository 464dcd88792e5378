"""The package's control files (deb-control(5)): what dpkg and apt know of it, and the scripts that dpkg runs."""

import hashlib
import os
from pathlib import Path

from pi_mjpeg_server.system.unit import INSTALLED

from deb_package.files import CONFIGURATION, MAINTAINER, SOURCES
from deb_package.target import Target

SCRIPTS = ("preinst", "postinst", "prerm", "postrm")

_CONTROL = """\
Package: pi-mjpeg
Version: {version}
Architecture: {architecture}
Maintainer: {maintainer}
Installed-Size: {kilobytes}
Depends: {depends}
Recommends: ca-certificates, python3-picamera2
Suggests: openssl
Section: video
Priority: optional
Homepage: https://github.com/pi-mjpeg/pi_mjpeg
Description: Raspberry Pi cameras for Home Assistant
 A camera server that sends Motion JPEG to any number of viewers over HTTP. It
 announces itself by MQTT and multicast DNS, takes snapshots and clips, and sees
 motion. Home Assistant finds it by itself with the integration pi_mjpeg.
 .
 CSI cameras need python3-picamera2, which Raspberry Pi OS has. USB webcams need
 nothing else.
"""


def make_control(root: Path, target: Target, version: str) -> None:
    """Write the control files into the folder DEBIAN below `root`, which has all other files already."""
    files = sorted(path for path in root.rglob("*") if not path.is_dir() or path.is_symlink())
    folder = root / "DEBIAN"
    folder.mkdir()
    (folder / "control").write_text(
        _CONTROL.format(
            version=version,
            architecture=target.architecture,
            maintainer=MAINTAINER,
            kilobytes=_kilobytes(root),
            depends=", ".join(target.dependencies),
        )
    )
    (folder / "conffiles").write_text(f"/{CONFIGURATION}\n")
    sums = (
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}  {path.relative_to(root)}\n"
        for path in files
        if not path.is_symlink() and path.relative_to(root) != CONFIGURATION
    )
    (folder / "md5sums").write_text("".join(sums))
    for name in SCRIPTS:
        text = (SOURCES / name).read_text().replace("@PYTHON@", target.python).replace("@INSTALLED@", INSTALLED)
        (folder / name).write_text(text)


def _kilobytes(root: Path) -> int:
    """Return the space that the files take, each rounded up, and one kilobyte for each folder or link."""
    paths = [Path(folder, name) for folder, folders, names in os.walk(root) for name in (*folders, *names)]
    return sum(1 if path.is_symlink() or path.is_dir() else -(-path.stat().st_size // 1024) for path in paths)
