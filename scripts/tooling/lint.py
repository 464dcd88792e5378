"""scripts/lint: ruff on everything, and mypy on each half in an environment with its libraries."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tooling import cache, environments
from tooling.errors import ScriptError
from tooling.progress import say

# They import Home Assistant, so mypy needs the component's environment.
_WITH_HOME_ASSISTANT = (
    "scripts/tooling/core_requirements.py",
    "benchmarks/home_assistant.py",
    "benchmarks/clip_film.py",
)


def main() -> int:
    """Run all checks, even after a failure. Return 1 if any check failed."""
    try:
        tools = environments.tests() / "bin"
        component = environments.component() / "bin"
    except ScriptError as error:
        print(f"scripts/lint: {error}", file=sys.stderr)
        return 1
    checks = (
        (tools / "ruff", "check"),
        (tools / "ruff", "format", "--check"),
        (tools / "mypy", "server/pi_mjpeg_server", "tests/server"),
        (tools / "mypy", "packaging/deb_package", "packaging/deb_trial", "tests/deb"),
        (tools / "mypy", "scripts/tooling", "tests/e2e", "benchmarks", "--exclude", "|".join(_WITH_HOME_ASSISTANT)),
        (component / "mypy", "custom_components/pi_mjpeg", "tests/component", *_WITH_HOME_ASSISTANT),
    )
    passed = [_passes(check) for check in checks]
    return int(not all(passed))


def _passes(check: Sequence[str | Path]) -> bool:
    name = " ".join([Path(check[0]).name, *(str(word) for word in check[1:])])
    passed = subprocess.run(check, cwd=cache.ROOT, check=False).returncode == 0
    say(f"{'passed' if passed else 'FAILED'}: {name}")
    return passed
