"""The Python environments: the server's, the end-to-end tests', the component's two, and Home Assistant's own."""

import sys
from collections.abc import Sequence
from pathlib import Path

from workbench import cache
from workbench.installer import uv
from workbench.interpreter import home_assistant_python
from workbench.processes import run

HOME_ASSISTANT = "2026.11.0"
_FLASK = "flask==3.1.3"

_SERVER = cache.ROOT / "server"
_TESTS = cache.ROOT / "tests"
_TOOLS = cache.ROOT / "scripts/requirements.txt"

# Home Assistant pins versions of these two that have no wheel for Python 3.14. They are never called here, but its
# frontend stays at "Loading" when assist_satellite cannot be imported, so versions with wheels take their place.
_WITH_WHEELS = ("pymicro-vad==2.1.0", "pyspeex-noise==2.0.1")


def server() -> Path:
    """Return the environment of the server, from this checkout, as a Pi would have it."""
    return _made("env-server", Path(sys.executable), ["--editable", _SERVER])


def tests() -> Path:
    """Return the environment of the server's tests, the end-to-end tests and the linters."""
    files = _requirements("server/requirements.txt", "e2e/requirements.txt")
    words = ["--editable", _SERVER, "--requirement", _TOOLS, *files, "--override", _TESTS / "server/overrides.txt"]
    return _made("env-tests", Path(sys.executable), words)


def article() -> Path:
    """Return the environment of the article's server, which the benchmarks compare this one with."""
    return _made("env-article", Path(sys.executable), ["--editable", f"{_SERVER}[v4l2]", _FLASK])


def component() -> Path:
    """Return the environment of the component's tests on the Home Assistant that the test plugin is made for."""
    return _made("env-component", home_assistant_python(), _requirements("component/requirements.txt"))


def component_newer() -> Path:
    """Return the environment of the component's tests on the newest Home Assistant."""
    plugin = _requirements("component/requirements.txt")
    newer = _requirements("component/requirements-2026.11.txt")
    return _made("env-component-newer", home_assistant_python(), plugin, newer)


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


def _requirements(*names: str) -> list[str | Path]:
    """Return the words that make uv install requirement files of the tests."""
    return [word for name in names for word in ("--requirement", _TESTS / name)]


def _made(name: str, python: Path, *installs: Sequence[str | Path]) -> Path:
    """Make an environment by one or more installs, a later one over what the earlier ones brought.

    It is made anew when a file that it is made of changes.
    """

    def make(into: Path) -> None:
        uv("venv", "--python", python, into)
        for words in installs:
            uv("pip", "install", "--python", into, *words)

    files = [word for words in installs for word in words if isinstance(word, Path)]
    texts = [(file / "pyproject.toml" if file.is_dir() else file).read_text() for file in files]
    return cache.made(name, f"{python} {installs} {texts}", make)
