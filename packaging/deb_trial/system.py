"""A Debian in a folder, in which commands are run by chroot: with qemu's help for another architecture."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from deb_package.target import Target
from tooling import cache
from tooling.errors import ScriptError
from tooling.processes import run

_ENVIRONMENT = ("PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive")
_NOT_SEARCHED = frozenset({"/dev", "/proc", "/root", "/tmp", "/var/cache", "/var/lib/apt", "/var/lib/dpkg", "/var/log"})  # noqa: S108


class System:
    """A Debian below `root`. Commands run in it as root; none of its services runs.

    qemu runs them on the processor of the oldest Pi: an instruction that it lacks ends the command. This is also five
    times as fast as the newest processor, whose signed pointers (PAC) are computed in software.
    """

    def __init__(self, root: Path, target: Target) -> None:
        self.root = root
        self._environment = [*_ENVIRONMENT, *(f"{name}={value}" for name, value in _qemu(target).items())]

    def command(self, *words: str | Path, network: bool = True) -> list[str]:
        """Return the command that runs another one in this system, with or without a network."""
        alone = [] if network else ["unshare", "--net"]
        return [*alone, "chroot", str(self.root), "env", "--ignore-environment", *self._environment, *map(str, words)]

    def run(self, *words: str | Path, answer: str = "", network: bool = True, fails: bool = False) -> str:
        """Run a command with `answer` as its input, and return its output and its errors together.

        Raises `ScriptError` unless it succeeds, or with `fails`, unless it fails.
        """
        done = subprocess.run(
            self.command(*words, network=network),
            input=answer,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        if (done.returncode != 0) != fails:
            line = " ".join(map(str, words))
            raise ScriptError(f"`{line}` in {self.root} has exit code {done.returncode}:\n{done.stdout[-4000:]}")
        return done.stdout

    def has(self, path: str) -> bool:
        """Return whether there is a file, folder or link of this path."""
        file = self.root / path.removeprefix("/")
        return file.exists() or file.is_symlink()

    def text(self, path: str) -> str:
        """Return the content of a file."""
        return (self.root / path.removeprefix("/")).read_text()

    def write(self, path: str, text: str) -> None:
        """Write a file, and its folders where there are none."""
        file = self.root / path.removeprefix("/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def find(self, name: str) -> list[str]:
        """Return the paths of files and folders whose name contains `name`, apart from what apt and dpkg note."""
        found = []
        for folder, folders, files in os.walk(self.root):
            here = Path("/", Path(folder).relative_to(self.root))
            found += [here / each for each in (*folders, *files) if name in each]
            folders[:] = [each for each in folders if str(here / each) not in _NOT_SEARCHED]
        return sorted(map(str, found))


@contextmanager
def system(target: Target) -> Iterator[System]:
    """Yield a new system of this release and architecture. What changes in it is thrown away.

    The first time, debootstrap makes it in the cache, with the packages that the package needs.
    """
    base = cache.ensure(f"debian-{target.release}-{target.architecture}", "1", lambda into: _make(into, target))
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "root"
        # No overlay: in a container, the folder is on one already.
        run(["cp", "--archive", "--reflink=auto", base, root])
        run(["mount", "-t", "proc", "proc", root / "proc"])
        try:
            yield System(root, target)
        finally:
            run(["umount", root / "proc"])


def _make(into: Path, target: Target) -> None:
    """Make the base of a system: what Raspberry Pi OS Lite has and the package needs."""
    if shutil.which("debootstrap", path="/usr/sbin:/usr/bin") is None:
        raise ScriptError("there is no debootstrap: sudo apt install debootstrap qemu-user-static binfmt-support")
    wanted = ["python3", "ca-certificates"]
    wanted += [name for name in map(_name, target.dependencies) if name not in wanted]
    run(
        [
            *("debootstrap", f"--arch={target.architecture}", "--variant=minbase"),
            *(f"--include={','.join(wanted)}", target.release, into),
        ],
        env=_qemu(target),
    )
    # apt then knows only what is installed, and the package beside it.
    for index in (into / "var/lib/apt/lists").glob("*_*"):
        index.unlink()


def _qemu(target: Target) -> dict[str, str]:
    """Return the variable by which qemu-user knows which processor to emulate (qemu-user(1), -cpu)."""
    return {} if target.oldest_processor is None else {"QEMU_CPU": target.oldest_processor}


def _name(dependency: str) -> str:
    return dependency.split(maxsplit=1)[0]
