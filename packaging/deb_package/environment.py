"""The Python environment in /opt/pi-mjpeg: the server and all its wheels, put together without the target's Python."""

import re
import shutil
from pathlib import Path

from tooling import cache
from tooling.errors import ScriptError
from tooling.installer import pip, uv

from deb_package.target import Target

HOME = Path("opt/pi-mjpeg")
_REQUIREMENTS = cache.ROOT / "packaging/requirements.txt"
_SERVER = cache.ROOT / "server"
_LEFT_OUT = ("build", "*.egg-info", "__pycache__")

_COMMAND = """\
#!/opt/pi-mjpeg/bin/python3
import sys

from pi_mjpeg_server.cli import main

sys.exit(main())
"""


def make_environment(root: Path, target: Target, epoch: int, more_wheels: Path | None) -> None:
    """Make the environment below `root`, as `python3 -m venv --system-site-packages` and pip would on the target.

    It sees the system's modules, because picamera2 and libcamera are there. `more_wheels` is a folder of wheels that
    PyPI does not have. Raises `ScriptError`.
    """
    home = root / HOME
    modules = home / f"lib/python{target.python}/site-packages"
    (home / "bin").mkdir(parents=True)
    (home / "bin/python3").symlink_to(f"/usr/bin/python{target.python}")
    (home / "pyvenv.cfg").write_text(
        f"home = /usr/bin\ninclude-system-site-packages = true\nversion = {target.python}\n"
    )
    command = home / "bin/pi-mjpeg"
    command.write_text(_COMMAND)
    work = root.parent
    _install_requirements(modules, target, work, more_wheels)
    _install_server(modules, work, epoch)
    # Other programs of the distributions, which begin with the path of the Python that installed them.
    shutil.rmtree(modules / "bin", ignore_errors=True)
    (modules / ".lock").unlink(missing_ok=True)  # uv's


def _install_requirements(modules: Path, target: Target, work: Path, more_wheels: Path | None) -> None:
    """Install what packaging/requirements.txt pins, for the target's Python and C library."""
    text = _REQUIREMENTS.read_text()
    pillow = _requirement(text, "pillow")
    if not target.has_pillow_wheel:
        text = text.replace(pillow, "")
    if target.needs_own_pillow:
        version = pillow.split(maxsplit=1)[0]
        if more_wheels is None:
            raise ScriptError(
                f"PyPI has no {version} for {target.architecture}, and {target.release} has an older one: make it with "
                "`sudo packaging/build-pillow FOLDER`, then give --wheels FOLDER"
            )
        _install(modules, target, "--no-index", "--find-links", more_wheels, version)
    requirements = work / "requirements.txt"
    requirements.write_text(text)
    _install(modules, target, "--require-hashes", "--requirement", requirements)


def _install(modules: Path, target: Target, *what: str | Path) -> None:
    """Install wheels for the target, whatever machine this is."""
    options: tuple[str | Path, ...] = ("--quiet", "--target", modules, "--upgrade", "--no-deps")
    options += ("--python-version", target.python, "--only-binary", ":all:", *what)
    if target.uv_platform is not None:
        uv("pip", "install", *options, "--python-platform", target.uv_platform, "--link-mode", "copy")
    else:
        # uv knows no 32 bit ARM. pip takes ten times as long.
        platforms = [word for platform in target.platforms for word in ("--platform", platform)]
        pip("install", *options, "--no-compile", "--implementation", "cp", *platforms)


def _install_server(modules: Path, work: Path, epoch: int) -> None:
    """Install the server from a copy of its source, which has nothing that an earlier build left."""
    source = shutil.copytree(_SERVER, work / "server", ignore=shutil.ignore_patterns(*_LEFT_OUT))
    uv("build", "--quiet", "--wheel", "--out-dir", work / "dist", source, env={"SOURCE_DATE_EPOCH": str(epoch)})
    wheel = next((work / "dist").glob("*.whl"))
    # Not by pip, which notes the wheel's path in a file of the package.
    shutil.unpack_archive(wheel, modules, format="zip")


def _requirement(text: str, name: str) -> str:
    """Return the lines of one requirement with its hashes."""
    found = re.search(rf"^{name}==.*?(?=^\S|\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise ScriptError(f"{_REQUIREMENTS} has no {name}")
    return found[0]
