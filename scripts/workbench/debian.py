"""Debian packages without root: fetched with an apt state of our own, verified, and unpacked into a folder.

Nothing on the machine is changed or asked for beyond the sources it already trusts: mirrors are read from its own
apt configuration, signatures are checked against Debian's keyring.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from workbench.errors import ScriptError
from workbench.processes import run

_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

# These belong to the dynamic loader of the machine itself; a second libc beside a loader of another build crashes.
_LOADER = frozenset({"libc6", "libc-bin"})


def available() -> bool:
    """Whether this machine has apt and dpkg."""
    return all(map(shutil.which, ("apt-get", "dpkg-deb")))


def unpack(packages: Sequence[str], into: Path, *, suite: str | None = None) -> None:
    """Unpack PACKAGES and all that they depend on into a folder.

    With a SUITE (such as "forky") they come from that suite of the machine's Debian mirror, with a C library of
    their own; without, from the machine's own sources, to run on the machine's C library.

    Raises ScriptError when apt is missing or cannot fetch them.
    """
    if not available():
        message = f"this needs {', '.join(packages)} and finds no apt-get: install them by this system's own means"
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
    """Return the folders of an unpacked tree that hold shared libraries.

    Until Debian 13, packages put some into /lib. Some keep theirs in folders of their own, which ldconfig would know.
    """
    tops = [*root.glob("usr/lib/*-linux-gnu*"), *root.glob("lib/*-linux-gnu*")]
    return [*tops, *sorted({library.parent for top in tops for library in top.glob("*/*.so*")})]


def loader(root: Path) -> Path:
    """Return the dynamic loader of an unpacked tree that has a C library of its own."""
    return next(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))


def _configure(state: Path, suite: str | None) -> Path:
    for sub in ("lists/partial", "cache/archives/partial"):
        (state / sub).mkdir(parents=True)
    # An empty list of installed packages, so that the whole closure is unpacked whatever the machine has.
    (state / "status").touch()
    lines = [
        f'Dir::State "{state}";',
        f'Dir::State::status "{state}/status";',
        f'Dir::Cache "{state}/cache";',
        'Acquire::Languages "none";',
        # As root, apt would read as user _apt, who may not enter this folder.
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
    """Return the machine's Debian mirror: not the security archive, not the Raspberry Pi's own."""
    targets = run(["apt-get", "indextargets", "--format", "$(REPO_URI)|$(RELEASE)|$(ORIGIN)", "Created-By: Packages"])
    rows = [line.split("|") for line in targets.splitlines()]
    # Origin is known only once the machine has run `apt-get update`.
    for uri, release, origin in rows:
        plain = "-" not in release and "/" not in release
        if plain and (origin == "Debian" or ("raspberrypi" not in uri and "raspbian" not in uri)):
            return uri
    message = "no Debian mirror in this machine's apt sources: add one, or put a Python >= 3.14.2 on PATH"
    raise ScriptError(message)


def _name(line: str) -> str:
    """Return the package of a line of --print-uris: 'URI' NAME_VERSION_ARCH.deb SIZE HASH."""
    return line.split()[1].split("_", maxsplit=1)[0]
