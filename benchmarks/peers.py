"""Three servers on one webcam: this project's, ustreamer, and Flask as the article has it. Each is one process.

The webcam is the tests' own (`tests/server/fake_v4l2.c`): 1280x720 at 30 frames a second, JPEGs of about 90 kB. All
three pass the camera's JPEGs on as they are.
"""

import asyncio
import contextlib
import io
import ssl
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image
from workbench import environments
from workbench.errors import ScriptError
from workbench.network import LOOPBACK, free_ports
from workbench.processes import Program
from workbench.programs import program

from benchmarks.load_generator import Viewer, read
from tests.server.support.fake_webcam import READY, FakeWebcam, environment

FPS = 30
_SIZE = (1280, 720)
_PATIENCE = 20  # seconds until the first picture

_OURS = """
[server]
host = "{host}"
port = {port}
state_dir = "{folder}/state"
{settings}
[auth]
mode = "none"
[[camera]]
source = "v4l2"
device = "{camera}"
size = [1280, 720]
fps = 30
linger = 0
"""
_FOR_ALL = "max_viewers = 1000\nmax_viewers_per_camera = 1000\nmax_viewers_per_address = 1000"


@dataclass(frozen=True)
class Peer:
    """A server: where its stream is, and its command, made of a folder of its own, a camera and a port.

    One that serves TLS has a context that trusts it.
    """

    name: str
    path: str
    command: Callable[[Path, Path, int], list[str | Path]]
    trust: ssl.SSLContext | None = None


def ours(folder: Path, camera: Path, port: int, settings: str = _FOR_ALL) -> list[str | Path]:
    """Return the command of this project's server, with these lines in [server]."""
    file = folder / "config.toml"
    file.write_text(_OURS.format(host=LOOPBACK, port=port, folder=folder, camera=camera, settings=settings))
    return [sys.executable, "-m", "pi_mjpeg_server", "run", "--config", file, "--log-level", "error"]


def _ustreamer(_folder: Path, camera: Path, port: int) -> list[str | Path]:
    words = ["--format", "MJPEG", "--encoder", "HW", "--resolution", "1280x720", "--desired-fps", str(FPS)]
    words += ["--host", LOOPBACK, "--port", str(port), "--tcp-nodelay"]
    return [program("ustreamer"), "--device", camera, *words]


def _article(_folder: Path, camera: Path, port: int) -> list[str | Path]:
    return [environments.flask() / "bin/python", "-m", "benchmarks.flask_server", camera, str(port)]


OURS = Peer("pi_mjpeg", "/stream", ours)
USTREAMER = Peer("ustreamer", "/stream", _ustreamer)
ARTICLE = Peer("Flask", "/video_feed", _article)


@dataclass(frozen=True)
class Served:
    """A server that runs."""

    program: Program
    port: int
    peer: Peer

    def viewer(self, speed: float | None = None) -> Viewer:
        """Return somebody who watches its stream."""
        return Viewer(self.port, self.peer.path, speed, self.peer.trust)


@contextlib.contextmanager
def serving(peer: Peer, folder: Path) -> Iterator[Served]:
    """Run a server on a webcam of its own, from its first picture on; `folder` is made for it."""
    webcam = FakeWebcam(folder / "video0", _pictures(), f"MJPG {_SIZE[0]} {_SIZE[1]} {FPS}\n")
    port = free_ports(0)[0]
    command = peer.command(folder, webcam.path, port)
    server = Program(peer.name, command, folder / "log", environment(folder))
    served = Served(server, port, peer)
    server.start()
    try:
        asyncio.run(server.wait_until(lambda: _gives_pictures(served), _PATIENCE))
        yield served
    finally:
        server.stop()


def _gives_pictures(served: Served) -> bool:
    try:
        viewer = served.viewer()
    except OSError:
        return False
    with contextlib.closing(viewer), contextlib.suppress(ScriptError):
        read([viewer], 1)
    return bool(viewer.ages)


def _pictures() -> list[bytes]:
    """Return a second of noise, as JPEGs with room for the camera's stamp in a comment."""
    comment = READY + b"0" * 19
    return [_jpeg(comment) for _ in range(FPS)]


def _jpeg(comment: bytes) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((320, 180), 40).resize(_SIZE).convert("RGB").save(file, "JPEG", quality=24, comment=comment)
    return file.getvalue()
