"""The files of the package beside its environment: unit, configuration, documentation."""

import gzip
import io
from email.utils import formatdate
from pathlib import Path

from pi_mjpeg_server.system.unit import NAME, packaged_unit_text

from deb_package.licenses import copyright_text
from deb_package.target import Target

SOURCES = Path(__file__).parents[1] / "debian"
MAINTAINER = "The pi_mjpeg authors <pi-mjpeg@users.noreply.github.com>"
CONFIGURATION = Path("etc/pi-mjpeg/config.toml")
_DOCUMENTS = Path("usr/share/doc/pi-mjpeg")
_MANUAL = Path("usr/share/man/man1/pi-mjpeg.1.gz")
_OVERRIDES = Path("usr/share/lintian/overrides/pi-mjpeg")


def make_files(root: Path, target: Target, version: str, epoch: int) -> None:
    """Write the files below `root`, which has the environment already. `epoch` is their time in seconds since 1970."""
    command = root / "usr/bin/pi-mjpeg"
    command.parent.mkdir(parents=True)
    command.symlink_to("/opt/pi-mjpeg/bin/pi-mjpeg")
    _write(root / "usr/lib/systemd/system" / NAME, packaged_unit_text())
    _write(root / CONFIGURATION, (SOURCES / "config.toml").read_text())
    _write(root / _DOCUMENTS / "copyright", copyright_text(root))
    _write(root / _DOCUMENTS / "changelog.gz", _compressed(_changelog(version, target, epoch)))
    _write(root / _MANUAL, _compressed((SOURCES / "pi-mjpeg.1").read_text()))
    _write(root / _OVERRIDES, (SOURCES / "lintian-overrides").read_text())


def _changelog(version: str, target: Target, epoch: int) -> str:
    """Return a changelog in Debian's form (deb-changelog(5)), which names the release only."""
    return (
        f"pi-mjpeg ({version}) {target.release}; urgency=medium\n\n"
        "  * See https://github.com/pi-mjpeg/pi_mjpeg/blob/main/CHANGELOG.md\n\n"
        f" -- {MAINTAINER}  {formatdate(epoch)}\n"
    )


def _compressed(text: str) -> bytes:
    """Return text as gzip makes it with the option --no-name, so that it is the same each time."""
    into = io.BytesIO()
    with gzip.GzipFile(filename="", mode="wb", fileobj=into, mtime=0) as file:
        file.write(text.encode())
    return into.getvalue()


def _write(path: Path, content: str | bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
