"""The servers that are compared: this project's, ustreamer, and Flask as in Miguel Grinberg's article.

Each is one process on the tests' fake webcam (`tests/server/support/fake_v4l2`): 1280x720 at 30 frames per second,
JPEGs of about 90 kB. All three pass the camera's JPEGs on unchanged.
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
from tooling import environments
from tooling.errors import ScriptError
from tooling.network import LOOPBACK, free_ports
from tooling.processes import Program
from tooling.programs import program

from benchmarks.load_generator import Viewer, read
from tests.server.support.fake_webcam import READY, FakeWebcam, environment

FPS = 30
_SIZE = (1280, 720)
_START_TIMEOUT = 20  # seconds until the first frame

_CONFIGURATION = """
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
_NO_LIMITS = "max_viewers = 1000\nmax_viewers_per_camera = 1000\nmax_viewers_per_address = 1000"


@dataclass(frozen=True)
class Peer:
    """A server: the path of its stream, and a function of folder, camera and port that returns its command line.

    `trust` is a context that trusts its certificate, or None without TLS.
    """

    name: str
    path: str
    command: Callable[[Path, Path, int], list[str | Path]]
    trust: ssl.SSLContext | None = None


def ours(folder: Path, camera: Path, port: int, settings: str = _NO_LIMITS) -> list[str | Path]:
    """Return the command line of this project's server. `settings` are lines for its [server] table."""
    file = folder / "config.toml"
    file.write_text(_CONFIGURATION.format(host=LOOPBACK, port=port, folder=folder, camera=camera, settings=settings))
    return [sys.executable, "-m", "pi_mjpeg_server", "run", "--config", file, "--log-level", "error"]


def _ustreamer(_folder: Path, camera: Path, port: int) -> list[str | Path]:
    arguments = ["--format", "MJPEG", "--encoder", "HW", "--resolution", "1280x720", "--desired-fps", str(FPS)]
    arguments += ["--host", LOOPBACK, "--port", str(port), "--tcp-nodelay"]
    return [program("ustreamer"), "--device", camera, *arguments]


def _flask(_folder: Path, camera: Path, port: int) -> list[str | Path]:
    return [environments.flask() / "bin/python", "-m", "benchmarks.flask_server", camera, str(port)]


OURS = Peer("pi_mjpeg", "/stream", ours)
USTREAMER = Peer("ustreamer", "/stream", _ustreamer)
FLASK = Peer("Flask", "/video_feed", _flask)


@dataclass(frozen=True)
class Served:
    """A running server."""

    program: Program
    port: int
    peer: Peer

    def viewer(self, rate: float | None = None) -> Viewer:
        """Return a new viewer of its stream."""
        return Viewer(self.port, self.peer.path, rate, self.peer.trust)


@contextlib.contextmanager
def serving(peer: Peer, folder: Path) -> Iterator[Served]:
    """Start a server on its own fake webcam, and wait for its first frame. It keeps its files in `folder`."""
    webcam = FakeWebcam(folder / "video0", _pictures(), f"MJPG {_SIZE[0]} {_SIZE[1]} {FPS}\n")
    port = free_ports(0)[0]
    command = peer.command(folder, webcam.path, port)
    server = Program(peer.name, command, folder / "log", environment(folder))
    served = Served(server, port, peer)
    server.start()
    try:
        asyncio.run(server.wait_until(lambda: _sends_frames(served), _START_TIMEOUT))
        yield served
    finally:
        server.stop()


def _sends_frames(served: Served) -> bool:
    try:
        viewer = served.viewer()
    except OSError:
        return False
    with contextlib.closing(viewer), contextlib.suppress(ScriptError):
        read([viewer], 1)
    return bool(viewer.ages)


def _pictures() -> list[bytes]:
    """Return one second of noise as JPEGs, each with a comment that the fake webcam overwrites with a time."""
    comment = READY + b"0" * 19
    return [_jpeg(comment) for _ in range(FPS)]


def _jpeg(comment: bytes) -> bytes:
    file = io.BytesIO()
    Image.effect_noise((320, 180), 40).resize(_SIZE).convert("RGB").save(file, "JPEG", quality=24, comment=comment)
    return file.getvalue()
