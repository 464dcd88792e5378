"""The server of an installed package, with the emulated camera, and a picture from it."""

import json
import socket
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from tooling.errors import ScriptError
from tooling.processes import Program

from deb_trial.system import System

_STATE = "/tmp/pi-mjpeg-state"  # noqa: S108  (in a system of the trial's own)
_START_TIMEOUT = 300.0
_JPEG = b"\xff\xd8\xff"


@dataclass(frozen=True)
class Served:
    """What was seen: seconds until the server answered, the picture's bytes, and its memory in bytes when idle."""

    seconds: float
    picture: bytes
    memory: int


def serve(system: System) -> Served:
    """Run `pi-mjpeg run`, take a picture over HTTP and stop it. Raises `ScriptError` if one of these fails."""
    port = _free_port()
    options = ["--state-dir", _STATE, "--port", str(port), "--host", "127.0.0.1", "--source", "emulated"]
    command = system.command("pi-mjpeg", "run", *options, "--zeroconf", "false", "--linger", "0")
    server = Program("pi-mjpeg", command, Path(system.root, "tmp/server.log"))
    began = time.monotonic()
    server.start()
    try:
        while not _answers(port):
            if not server.running or time.monotonic() - began > _START_TIMEOUT:
                raise ScriptError(server.report("does not answer"))
            time.sleep(0.2)
        seconds = time.monotonic() - began
        time.sleep(5)
        memory = server.memory
        token = system.run("pi-mjpeg", "token", "--state-dir", _STATE).strip()
        picture = _get(port, "/snapshot.jpg", token)
        state = json.loads(_get(port, "/api/state", token))
    finally:
        server.stop()
    if not picture.startswith(_JPEG) or len(state["cameras"]) != 1:
        raise ScriptError(f"no picture, but {picture[:100]!r}")
    return Served(seconds, picture, memory)


def _answers(port: int) -> bool:
    try:
        _get(port, "/healthz")
    except (OSError, urllib.error.URLError):
        return False
    return True


def _get(port: int, path: str, token: str = "") -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:  # noqa: S310
        body: bytes = response.read()
    return body


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port
