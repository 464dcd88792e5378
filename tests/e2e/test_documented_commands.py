"""Every command of the documentation runs, as it is written there, or is named here with the reason why not."""

import asyncio
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest
import pytest_asyncio
from tooling import cache
from tooling.network import free_ports
from tooling.programs import program

from tests.server.support.scripted_camera import Script, Served, camera, grey, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

PAGES = (*sorted(cache.ROOT.glob("*.md")), *sorted((cache.ROOT / "docs").glob("*.md")))
RUN = (
    r"(sudo )?(curl(?!.* https://github\.com/)|ffmpeg|openssl|chmod|"
    r"(/opt/pi-mjpeg/bin/|\.cache/env-tests/bin/)?pi-mjpeg (?!install-service)) ?"
)
NOT_RUN = {
    r"sudo apt |pipx |sudo python3 -m venv|sudo /opt/pi-mjpeg/bin/pip|sudo ln -s|git ": "installs the server",
    r"sudo (/opt/pi-mjpeg/bin/)?pi-mjpeg install-service": "tests/server/system runs it in a folder",
    r"(sudo )?systemctl |journalctl ": "needs systemd",
    r"sudo rm ": "removes the server",
    r"curl .* https://github\.com/": "downloads a release",
}
ENDLESS = r"pi-mjpeg run|\.cache/env-tests/bin/pi-mjpeg run|curl -N"
SHIM = '#!/bin/sh\nexec {} "$@"\n'


class Command(NamedTuple):
    """A command of a page: a logical line of a shell block."""

    page: str
    text: str


def documented() -> list[Command]:
    """Return the commands of all pages."""
    blocks = [
        (page.name, block)
        for page in PAGES
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    ]
    return [
        Command(page, line.strip())
        for page, block in blocks
        for line in block.replace("\\\n", " ").splitlines()
        if line.strip() and not line.startswith("#")
    ]


COMMANDS = documented()


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a token and the camera of the examples, with the certificate of the example of TLS."""
    script = Script(fps=20, picture=grey(90, (320, 240)))
    async with serving(tmp_path, [camera(script, linger=5)], needs_token=True) as running:
        await until(lambda: script.frames > 0)
        yield running


def environment(tmp_path: Path, state_dir: Path) -> Mapping[str, str]:
    """Return an environment in which `sudo` only runs the command, and other programs are those of the tests."""
    programs = tmp_path / "bin"
    programs.mkdir()
    shims = {name: shlex.quote(str(program(name))) for name in ("curl", "ffmpeg")}
    for name, words in {**shims, "sudo": ""}.items():
        (programs / name).write_text(SHIM.format(words))
        (programs / name).chmod(0o755)
    path = f"{programs}:{Path(sys.executable).parent}:{os.environ['PATH']}"
    return {
        **os.environ,
        "PATH": path,
        "PI_MJPEG_STATE_DIR": str(state_dir),
        "PI_MJPEG_CONFIG": str(tmp_path / "etc/config.toml"),
    }


async def run(text: str, folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command in bash, and stop one that has no end after it has run for a while."""
    endless = re.match(ENDLESS, text) is not None
    process = await asyncio.create_subprocess_exec(
        *("bash", "-c", f"set -eo pipefail\nexec {text}" if endless else f"set -eo pipefail\n{text}"),
        cwd=folder,
        env=variables,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    waiting = asyncio.ensure_future(process.communicate())
    done, _ = await asyncio.wait([waiting], timeout=4 if endless else 60)
    if not done:
        assert endless, f"{text} does not end"
        process.terminate()
    output, _ = await waiting
    assert process.returncode is not None
    code = 0 if endless and not done else process.returncode
    return subprocess.CompletedProcess(text, code, output.decode(errors="replace"))


def as_here(text: str, served: Served, folder: Path) -> str:
    """Return a command with the address, the camera and the folders that there are here."""
    for written, here in {
        "http://localhost:8000": served.url,
        "https://localhost:8000": served.url.replace("127.0.0.1", "localhost"),
        "cameras/ID": "cameras/front",
        '"after": 10': '"after": 1',
        "/var/lib/pi-mjpeg": str(folder),
        "/etc/pi-mjpeg": str(folder / "etc"),
        ".cache/env-tests/bin/": "",
        "/opt/pi-mjpeg/bin/": "",
    }.items():
        text = text.replace(written, here)
    return text


@pytest.mark.parametrize(
    "command", [pytest.param(each, id=each.text[:60]) for each in COMMANDS if re.match(RUN, each.text)]
)
async def test_a_documented_command_runs(command: Command, served: Served, tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    (tmp_path / "etc/config.toml").write_text('[[camera]]\nid = "front"\nsource = "emulated"\n')
    variables = {
        **environment(tmp_path, tmp_path),
        "PI_MJPEG_PORT": str(free_ports(0)[0]),
        "PI_MJPEG_HOST": "127.0.0.1",
    }
    if "clip" in command.text and "clips" not in command.text:
        record = f"""curl -sf -u :$(pi-mjpeg token) -d '{{"after": 0.5}}' {served.url}/api/cameras/front/clips"""
        clip = json.loads((await run(record, tmp_path, variables)).stdout)
        variables["download_url"] = clip["download_url"]
        await run('curl -s "$download_url" -o clip.mjpeg', tmp_path, variables)
    if "certificate.pem" in command.text and "-keyout" not in command.text:
        (make,) = (each.text for each in COMMANDS if "-keyout certificate" in each.text or "-keyout key" in each.text)
        assert (await run(make, tmp_path, variables)).returncode == 0
    if "--cacert" in command.text:
        pem = {"tls_certificate": tmp_path / "certificate.pem", "tls_key": tmp_path / "key.pem"}
        async with serving(tmp_path, [camera(Script(fps=20))], needs_token=True, **pem) as over_tls:
            result = await run(as_here(command.text, over_tls, tmp_path), tmp_path, variables)
    else:
        result = await run(as_here(command.text, served, tmp_path), tmp_path, variables)
    assert result.returncode == 0, f"{command.page}: {command.text}\n{result.stdout}"
    assert '"error": {' not in result.stdout
    assert "Traceback" not in result.stdout


async def test_each_command_is_run_or_named_with_a_reason() -> None:
    unknown = [each for each in COMMANDS if not re.match("|".join((RUN, *NOT_RUN)), each.text)]
    assert unknown == []
    assert [reason for reason in NOT_RUN if not any(re.match(reason, each.text) for each in COMMANDS)] == []
