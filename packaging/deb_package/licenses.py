"""The licences of what is in the package: the server, and each distribution that came with it."""

from email.parser import HeaderParser
from pathlib import Path

from tooling import cache

_HEAD = """\
This package was made from https://github.com/pi-mjpeg/pi_mjpeg, which has this licence:

{license}

In /opt/pi-mjpeg it also contains these Python distributions, unchanged, as their authors have published them at
https://pypi.org. Each has a licence of its own, whose text is in the folder that is named. Those of Apache-2.0,
GPL-3 and LGPL-2.1 are also in /usr/share/common-licenses.

"""


def copyright_text(root: Path) -> str:
    """Return the text of the file copyright, for the distributions below `root`."""
    rows = [_row(root, metadata.parent) for metadata in sorted(root.rglob("*.dist-info/METADATA"))]
    license_text = (cache.ROOT / "LICENSE").read_text().strip()
    return _HEAD.format(license=license_text) + "".join(row for row in rows if row)


def _row(root: Path, folder: Path) -> str:
    """Return one distribution's lines: name, version, licence, and where its text is. Nothing for the server."""
    metadata = HeaderParser().parsestr((folder / "METADATA").read_text())
    if metadata["Name"] == "pi-mjpeg-server":
        return ""
    license_name = metadata["License-Expression"] or metadata["License"] or "see its text"
    return f"{metadata['Name']} {metadata['Version']}: {license_name}\n    /{folder.relative_to(root)}\n"
