"""Later versions of a package, for upgrades."""

import tempfile
from pathlib import Path

from deb_package.files import CONFIGURATION
from tooling.processes import run


def later(package: Path, number: int, into: Path, configuration: str) -> Path:
    """Make a package that is later by `number`, and whose configuration has another last line. Return its path."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        run(["dpkg-deb", "--raw-extract", package, root])
        control = root / "DEBIAN/control"
        version = next(line for line in control.read_text().splitlines() if line.startswith("Version: "))
        control.write_text(control.read_text().replace(version, f"{version}+{number}"))
        with (root / CONFIGURATION).open("a") as file:
            file.write(f"{configuration}\n")
        made = into / f"pi-mjpeg_later{number}.deb"
        run(["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", root, made])
    return made
