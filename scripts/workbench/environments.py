"""The Python environments: the server's, the end-to-end tests', the component's two, and Home Assistant's own."""

import sys
from collections.abc import Sequence
from pathlib import Path

from workbench import cache
from workbench.installer import uv
from workbench.interpreter import home_assistant_python
from workbench.processes import run

HOME_ASSISTANT = "2026.11.0"

_SERVER = cache.ROOT / "server"
_TESTS = cache.ROOT / "tests"
_TOOLS = cache.ROOT / "scripts/requirements.txt"

# Home Assistant pins versions of these two that have no wheel for Python 3.14. They are never called here, but its
# frontend stays at "Loading" when assist_satellite cannot be imported, so versions with wheels take their place.
_WITH_WHEELS = ("pymicro-vad==2.1.0", "pyspeex-noise==2.0.1")


def server() -> Path:
    """Return the environment of the server, from this checkout, as a Pi would have it."""
    return _with_server("env-server", [])


def tests() -> Path:
    """Return the environment of the server's tests, the end-to-end tests and the linters."""
    return _with_server("env-tests", [_TOOLS, _TESTS / "server/requirements.txt", _TESTS / "e2e/requirements.txt"])


def component() -> Path:
    """Return the environment of the component's tests on the Home Assistant that the test plugin is made for."""
    return _of_requirements("env-component", home_assistant_python(), [_TESTS / "component/requirements.txt"])


def component_newer() -> Path:
    """Return the environment of the component's tests on the newest Home Assistant."""
    requirements = [_TESTS / "component/requirements-2026.11.txt"]
    return _of_requirements("env-component-newer", home_assistant_python(), requirements)


def home_assistant() -> Path:
    """Return the environment of a real Home Assistant, with all that the integrations it always starts require."""
    python = home_assistant_python()
    requirements = Path(__file__).with_name("requirements_of_core.py")

    def make(into: Path) -> None:
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

    return cache.made("env-homeassistant", f"{python} {HOME_ASSISTANT} {requirements.read_text()} {_WITH_WHEELS}", make)


def _constraints(environment: Path) -> str:
    """Return Home Assistant's own constraints but for the versions that are overridden."""
    file = next(environment.glob("lib/python3*/site-packages/homeassistant/package_constraints.txt"))
    overridden = tuple(f"{pin.partition('==')[0]}==" for pin in _WITH_WHEELS)
    return "".join(line for line in file.read_text().splitlines(keepends=True) if not line.startswith(overridden))


def _with_server(name: str, files: Sequence[Path]) -> Path:
    recipe = (_SERVER / "pyproject.toml").read_text()
    return _of_requirements(name, Path(sys.executable), files, recipe, "--editable", _SERVER)


def _of_requirements(name: str, python: Path, files: Sequence[Path], recipe: str = "", *words: str | Path) -> Path:
    """Make an environment of requirement files, each beginning where the one before it ends."""

    def make(into: Path) -> None:
        uv("venv", "--python", python, into)
        given = [word for file in files for word in ("--requirement", file)]
        uv("pip", "install", "--python", into, *words, *given)

    texts = " ".join(file.read_text() for file in files)
    return cache.made(name, f"{python} {words} {recipe} {texts}", make)
