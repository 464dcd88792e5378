"""The package of this machine's architecture, built once for all tests and unpacked."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from deb_package.build import build
from deb_package.target import RELEASES, Target
from tooling import cache
from tooling.processes import run


@dataclass(frozen=True)
class Package:
    """A built package: the file, its files below `root` with the control files in `root`/DEBIAN, and its target."""

    file: Path
    root: Path
    target: Target

    def control(self, field: str) -> str:
        """Return a field of its control file."""
        return run(["dpkg-deb", "--field", self.file, field]).strip()

    @property
    def modules(self) -> Path:
        """Return the folder of its Python modules."""
        return self.root / f"opt/pi-mjpeg/lib/python{self.target.python}/site-packages"

    def python(self, code: str, *arguments: str) -> str:
        """Run code as the package's Python would: with the package's modules and the system's, no others."""
        words = [sys.executable, "-I", "-S", "-B", "-c", f"import sys; sys.path.append({str(self.modules)!r}); {code}"]
        done = subprocess.run([*words, *arguments], capture_output=True, text=True, check=False, timeout=60)  # noqa: S603
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture(scope="session")
def package() -> Package:
    """Return the package for the release that has this Python, on this machine's architecture."""
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    release = next(release for release in RELEASES if Target(release, "amd64").python == python)
    target = Target(release, run(["dpkg", "--print-architecture"]).strip())

    def make(into: Path) -> None:
        file = build(target, into, compression="none")
        run(["dpkg-deb", "--raw-extract", file, into / "root"])

    # pytest-xdist's workers are processes of their own, and share one package.
    test_run = os.environ.get("PYTEST_XDIST_TESTRUNUID") or str(os.getpid())
    made = cache.ensure("deb-for-tests", test_run, make)
    return Package(next(made.glob("*.deb")), made / "root", target)
