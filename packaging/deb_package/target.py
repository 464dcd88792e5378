"""The releases and architectures that there are packages for, and what differs between them."""

from collections.abc import Sequence
from dataclasses import dataclass

# Trixie has 2.41, and uv knows up to 2.40.
_GLIBC = {"bookworm": 36, "trixie": 40}
_PYTHON = {"bookworm": "3.11", "trixie": "3.13"}
_SUFFIX = {"bookworm": "deb12", "trixie": "deb13"}
_MACHINE = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv7l"}
_OLDEST_GLIBC = {"amd64": "2.28", "arm64": "2.28", "armhf": "2.31"}
"""The C library that the wheels were built for, as their names say (manylinux_2_28)."""
_FIRST_GLIBC = 17
_OLDEST_PROCESSOR = {"arm64": "cortex-a53", "armhf": "cortex-a7"}
"""That of the oldest Pi with the architecture: the 3, the Zero 2 W, and the 2, by the names of Arm and qemu."""

RELEASES = tuple(_PYTHON)
ARCHITECTURES = tuple(_MACHINE)


@dataclass(frozen=True, slots=True)
class Target:
    """A release of Debian, which Raspberry Pi OS has in common with it, and an architecture by dpkg's name."""

    release: str
    architecture: str

    @property
    def python(self) -> str:
        """Return the release's version of Python, such as 3.11."""
        return _PYTHON[self.release]

    @property
    def version_suffix(self) -> str:
        """Return what makes the version of a newer release the newer one, as in 1.0.0+deb13."""
        return _SUFFIX[self.release]

    @property
    def oldest_processor(self) -> str | None:
        """Return the processor of the oldest Pi that the package is for, or None where there is no such Pi."""
        return _OLDEST_PROCESSOR.get(self.architecture)

    @property
    def has_pillow_wheel(self) -> bool:
        """Return whether PyPI has Pillow for it. It has none for 32 bit ARM."""
        return self.architecture != "armhf"

    @property
    def uses_debian_pillow(self) -> bool:
        """Return whether Pillow is Debian's: PyPI has none, and the release's is new enough. Bookworm's is 9.4."""
        return not self.has_pillow_wheel and self.release != "bookworm"

    @property
    def needs_own_pillow(self) -> bool:
        """Return whether packaging/build-pillow has to make Pillow."""
        return not self.has_pillow_wheel and not self.uses_debian_pillow

    @property
    def uv_platform(self) -> str | None:
        """Return uv's name of the platform, or None if uv has none."""
        if self.architecture == "armhf":
            return None
        return f"{_MACHINE[self.architecture]}-manylinux_2_{_GLIBC[self.release]}"

    @property
    def platforms(self) -> Sequence[str]:
        """Return the platform tags of wheels that run there (PEP 600), the newest C library first."""
        machine = _MACHINE[self.architecture]
        newest = _GLIBC[self.release]
        numbered = [f"manylinux_2_{minor}_{machine}" for minor in range(newest, _FIRST_GLIBC - 1, -1)]
        return [*numbered, f"manylinux2014_{machine}", f"linux_{machine}"]

    @property
    def dependencies(self) -> Sequence[str]:
        """Return the field Depends: the Python that the modules are compiled for, and shared libraries."""
        major, minor = self.python.split(".")
        needed = [
            f"python3 (>= {self.python})",
            f"python3 (<< {major}.{int(minor) + 1})",
            f"libc6 (>= {_OLDEST_GLIBC[self.architecture]})",
        ]
        if self.uses_debian_pillow:
            needed.append("python3-pil (>= 10.4)")
        elif self.needs_own_pillow:
            # Those that the Pillow of packaging/build-pillow is linked with.
            needed += ["libfreetype6", "libjpeg62-turbo", "zlib1g"]
        return needed
