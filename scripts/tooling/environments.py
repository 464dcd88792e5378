"""The Python environments of the server, the tests and Home Assistant."""

import sys
from collections.abc import Sequence
from pathlib import Path

from tooling import cache
from tooling.installer import uv
from tooling.interpreter import home_assistant_python
from tooling.processes import run

HOME_ASSISTANT = "2026.11.0"
_FLASK = "flask==3.1.3"
_OPENCV = "opencv-python-headless==4.12.0.88"

_SERVER = cache.ROOT / "server"
_TESTS = cache.ROOT / "tests"
_TOOLS = cache.ROOT / "scripts/requirements.txt"

# Home Assistant pins versions of these two that have no wheel for Python 3.14. Nothing here calls them, but the
# frontend stays at "Loading" if assist_satellite cannot be imported. These versions, which have wheels, replace them.
_WITH_WHEELS = ("pymicro-vad==2.1.0", "pyspeex-noise==2.0.1")


def server() -> Path:
    """Return the environment of the server, installed from this checkout."""
    return _environment("env-server", Path(sys.executable), ["--editable", _SERVER])


def tests() -> Path:
    """Return the environment of the server's tests, the end-to-end tests and the linters."""
    files = _requirements("server/requirements.txt", "e2e/requirements.txt")
    arguments = ["--editable", _SERVER, "--requirement", _TOOLS, *files, "--override", _TESTS / "server/overrides.txt"]
    return _environment("env-tests", Path(sys.executable), arguments)


def flask() -> Path:
    """Return the environment of the Flask server that the benchmarks compare with."""
    return _environment("env-flask", Path(sys.executable), ["--editable", f"{_SERVER}[v4l2]", _FLASK])


def opencv() -> Path:
    """Return the environment in which the benchmark of motion runs: the server, numpy and OpenCV."""
    return _environment("env-opencv", Path(sys.executable), ["--editable", _SERVER, _OPENCV, "--requirement", _TOOLS])


def component() -> Path:
    """Return the environment of the component's tests, with the Home Assistant that the pytest plugin supports."""
    return _environment("env-component", home_assistant_python(), _requirements("component/requirements.txt"))


def component_newer() -> Path:
    """Return the environment of the component's tests, with the newest Home Assistant."""
    plugin = _requirements("component/requirements.txt")
    newer = _requirements("component/requirements-2026.11.txt")
    return _environment("env-component-newer", home_assistant_python(), plugin, newer)


def home_assistant() -> Path:
    """Return the environment of Home Assistant, with the requirements of the integrations it always starts."""
    python = home_assistant_python()
    requirements = Path(__file__).with_name("core_requirements.py")

    def build(into: Path) -> None:
        uv("venv", "--python", python, into)
        uv("pip", "install", "--python", into, f"homeassistant=={HOME_ASSISTANT}")
        needed, constraints, overrides = (into / name for name in ("needed.txt", "constraints.txt", "overrides.txt"))
        needed.write_text(run([into / "bin/python", requirements]))
        overrides.write_text("\n".join(_WITH_WHEELS))
        constraints.write_text(_constraints(into))
        uv(
            *("pip", "install", "--python", into, "--requirement", needed),
            *("--constraint", constraints, "--override", overrides),
        )

    return cache.ensure(
        "env-homeassistant", f"{python} {HOME_ASSISTANT} {requirements.read_text()} {_WITH_WHEELS}", build
    )


def _constraints(environment: Path) -> str:
    """Return Home Assistant's own constraints without the overridden packages."""
    file = next(environment.glob("lib/python3*/site-packages/homeassistant/package_constraints.txt"))
    overridden = tuple(f"{pin.partition('==')[0]}==" for pin in _WITH_WHEELS)
    return "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith(overridden))


def _requirements(*names: str) -> list[str | Path]:
    """Return the arguments of `uv pip install` for requirement files of the tests."""
    return [word for name in names for word in ("--requirement", _TESTS / name)]


def _environment(name: str, python: Path, *installs: Sequence[str | Path]) -> Path:
    """Return an environment, built by one `uv pip install` per element of `installs`, in this order.

    It is rebuilt when one of the files in `installs` changes.
    """

    def build(into: Path) -> None:
        uv("venv", "--python", python, into)
        for arguments in installs:
            uv("pip", "install", "--python", into, *arguments)

    files = [argument for arguments in installs for argument in arguments if isinstance(argument, Path)]
    texts = [(file / "pyproject.toml" if file.is_dir() else file).read_text() for file in files]
    return cache.ensure(name, f"{python} {installs} {texts}", build)
