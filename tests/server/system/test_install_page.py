"""docs/install.md and the program say the same."""

import re
import subprocess
import sys
from pathlib import Path

from pi_mjpeg_server.sources.import_advice import import_advice

PAGE = (Path(__file__).parents[3] / "docs/install.md").read_text()


def test_what_an_import_error_advises_is_what_the_page_advises() -> None:
    rows = {row.split("|")[1]: row.split("|")[3] for row in PAGE.splitlines() if "is missing" in row}
    for module in ("picamera2", "libcamera", "pykms", "kms"):
        advice = import_advice(ModuleNotFoundError(f"No module named {module!r}", name=module))
        command = re.search(r"sudo apt install [^;]+", advice)
        assert command is not None
        assert any(f"'{module}'" in said and command[0] in typed for said, typed in rows.items()), module


def test_each_command_on_the_page_exists() -> None:
    commands = set(re.findall(r"(?<![./])pi-mjpeg ([a-z][a-z-]+)(?=[ `\n])", "".join(PAGE.split("```sh")[1:])))
    assert {"run", "check", "cameras", "install-service"} <= commands
    for command in commands:
        words = [sys.executable, "-m", "pi_mjpeg_server", command, "--help"]
        assert subprocess.run(words, capture_output=True, check=False, timeout=60).returncode == 0, command  # noqa: S603
    for flag in set(re.findall(r"install-service (--[a-z-]+)", PAGE)):
        words = [sys.executable, "-m", "pi_mjpeg_server", "install-service", "--help"]
        assert flag in subprocess.run(words, capture_output=True, text=True, check=False, timeout=60).stdout  # noqa: S603
