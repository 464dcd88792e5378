"""Debian packages without root: downloaded with a separate apt state, verified, and unpacked into a folder.

Nothing on the machine changes. The mirrors come from its own apt configuration, and apt checks the signatures against
Debian's keyring.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from tooling.errors import ScriptError
from tooling.processes import run

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# They belong to the machine's own dynamic loader. A second libc beside a loader of another build crashes.
_LOADER = frozenset({"libc6", "libc-bin"})


def available() -> bool:
    """Return whether this machine has apt and dpkg."""
    return all(map(shutil.which, ("apt-get", "dpkg-deb")))


def unpack(packages: Sequence[str], into: Path, *, suite: str | None = None) -> None:
    """Unpack packages and all their dependencies into a folder.

    With a suite, such as "forky", they come from that suite of the machine's Debian mirror and bring their own C
    library. Without one, they come from the machine's own sources and use the machine's C library.

    Raises ScriptError if apt is missing or a download fails.
    """
    if not available():
        message = f"{', '.join(packages)} not found and no apt-get: install it with this system's package manager"
        raise ScriptError(message)
    state = into / ".apt"
    env = {"APT_CONFIG": str(_configure(state, suite)), "LC_ALL": "C.UTF-8"}
    run(["apt-get", "update", "--quiet"], env=env)
    listing = run(["apt-get", "install", "--no-install-recommends", "--print-uris", "--yes", *packages], env=env)
    names = [_name(line) for line in listing.splitlines() if line.startswith("'")]
    wanted = [name for name in names if suite or name not in _LOADER]
    archives = state / "archives"
    archives.mkdir()
    run(["apt-get", "download", "--quiet", *wanted], env=env, cwd=archives)
    for archive in sorted(archives.glob("*.deb")):
        run(["dpkg-deb", "--extract", archive, into])
    shutil.rmtree(state)


def libraries(root: Path) -> list[Path]:
    """Return the folders of an unpacked tree that contain shared libraries.

    Before Debian 13, some packages use /lib. Some have subfolders that ldconfig would know.
    """
    tops = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    return [*tops, *sorted({library.parent for top in tops for library in top.glob("*/*.so*")})]


def loader(root: Path) -> Path:
    """Return the dynamic loader of an unpacked tree that has its own C library."""
    return next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))


def _configure(state: Path, suite: str | None) -> Path:
    for sub in ("lists/partial", "cache/archives/partial"):
        (state / sub).mkdir(parents=True)
    # With an empty list of installed packages, apt lists all dependencies, whatever the machine has installed.
    (state / "status").touch()
    lines = [
        f'Dir::State "{state}";',
        f'Dir::State::status "{state}/status";',
        f'Dir::Cache "{state}/cache";',
        'Acquire::Languages "none";',
        # Started by root, apt downloads as user _apt, who cannot enter this folder.
        'APT::Sandbox::User "root";',
    ]
    if suite:
        mirror = _mirror()
        (state / "sources.list").write_text(f"deb [signed-by={_KEYRING}] {mirror} {suite} main\n")
        lines += [f'Dir::Etc::sourcelist "{state}/sources.list";', 'Dir::Etc::sourceparts "/dev/null";']
    path = state / "apt.conf"
    path.write_text("\n".join(lines) + "\n")
    return path


def _mirror() -> str:
    """Return the machine's Debian mirror. The security archive and Raspberry Pi's archive do not count."""
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(ORIGIN)", "Created-By: Packages"])
    rows = [line.split("|") for line in targets.splitlines()]
    # The origin is empty until the machine has run `apt-get update`.
    for uri, release, origin in rows:
        plain = "-" not in release and "/" not in release
        if plain and (origin == "Debian" or ("raspberrypi" not in uri and "raspbian" not in uri)):
            return uri
    message = "no Debian mirror in this machine's apt sources: add one, or put a Python >= 3.14.2 on PATH"
    raise ScriptError(message)


def _name(line: str) -> str:
    """Return the package name in a line of --print-uris: 'URI' NAME_VERSION_ARCH.deb SIZE HASH."""
    return line.split()[1].split("_", maxsplit=1)[0]
