"""packaging/build-deb: puts a package together, on any machine with dpkg-deb, without root."""

import argparse
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pi_mjpeg_server import VERSION
from tooling import cache
from tooling.errors import ScriptError
from tooling.processes import run
from tooling.progress import step

from deb_package.control import SCRIPTS, make_control
from deb_package.environment import HOME, make_environment
from deb_package.files import make_files
from deb_package.target import ARCHITECTURES, RELEASES, Target


def main(argv: Sequence[str]) -> int:
    """Build one package and print its path."""
    parser = argparse.ArgumentParser(prog="packaging/build-deb", description=__doc__.partition(": ")[2])
    parser.add_argument("release", choices=RELEASES)
    parser.add_argument("architecture", choices=ARCHITECTURES)
    parser.add_argument("--output", type=Path, default=Path("dist"), metavar="FOLDER", help="where to put it (dist)")
    parser.add_argument("--wheels", type=Path, metavar="FOLDER", help="wheels that PyPI does not have")
    parsed = parser.parse_args(argv)
    target = Target(parsed.release, parsed.architecture)
    try:
        with step(f"building the package for {target.release} on {target.architecture}"):
            package = build(target, parsed.output, parsed.wheels)
    except ScriptError as error:
        print(f"packaging/build-deb: {error}", file=sys.stderr)
        return 1
    print(f"{package} ({package.stat().st_size / 1e6:.1f} MB)")
    return 0


def build(target: Target, output: Path, wheels: Path | None = None, compression: str = "xz") -> Path:
    """Build the package into the folder `output` and return its path.

    The same source gives the same bytes: its time is SOURCE_DATE_EPOCH, or that of the checkout's commit.
    Raises `ScriptError`.
    """
    version = _version(target)
    epoch = _epoch()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        root.mkdir()
        make_environment(root, target, epoch, wheels)
        make_files(root, target, version, epoch)
        make_control(root, target, version)
        _set_modes(root)
        output.mkdir(parents=True, exist_ok=True)
        package = package_path(target, output)
        run(
            ["dpkg-deb", "--root-owner-group", f"-Z{compression}", "--build", root, package],
            env={"SOURCE_DATE_EPOCH": str(epoch)},
        )
    return package


def package_path(target: Target, folder: Path) -> Path:
    """Return the path of the package of this source, whether it was built or not."""
    return folder / f"pi-mjpeg_{_version(target)}_{target.architecture}.deb"


def _version(target: Target) -> str:
    """Return the package's version: that of the server, and the release."""
    return f"{VERSION}+{target.version_suffix}"


def _epoch() -> int:
    given = os.environ.get("SOURCE_DATE_EPOCH")
    try:
        return int(given or run(["git", "log", "-1", "--format=%ct"], cwd=cache.ROOT))
    except ValueError as error:
        raise ScriptError(f"SOURCE_DATE_EPOCH is {given!r}, and has to be a number of seconds") from error


def _set_modes(root: Path) -> None:
    """Have everybody read all files and only root write them. Only commands and dpkg's scripts can be run."""
    programs = {*(root / HOME / "bin").iterdir(), *(root / "DEBIAN" / name for name in SCRIPTS)}
    root.chmod(0o755)
    for path in root.rglob("*"):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or path in programs else 0o644)
