"""The servers that are compared: this project's, ustreamer, Flask as in Miguel Grinberg's article, and a floor.

Each is one process on the tests' fake webcam (`tests/server/support/fake_v4l2`): by default 1280x720 at 30 frames per
second, JPEGs of about 90 kB, which all pass on unchanged. The floor has no webcam: it only sends.
"""

import asyncio
import contextlib
import io
import ssl
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pi_mjpeg_server.media.jpeg import EOI
from PIL import Image
from tooling import environments
from tooling.compiler import executable
from tooling.errors import ScriptError
from tooling.network import LOOPBACK, free_ports
from tooling.processes import Program
from tooling.programs import program

from benchmarks.load_generator import Viewer, read
from tests.server.support.fake_webcam import READY, FakeWebcam, environment

FPS = 30
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
id = "front"
source = "{source}"
device = "{camera}"
size = [{video.size[0]}, {video.size[1]}]
fps = {video.fps}
linger = 0
"""
_NO_LIMITS = "max_viewers = 1000\nmax_viewers_per_camera = 1000\nmax_viewers_per_address = 1000"


@dataclass(frozen=True)
class Video:
    """What the fake webcam gives: JPEGs of noise (MJPG) with this `quality`, or raw pictures (YUYV)."""

    size: tuple[int, int] = (1280, 720)
    fps: int = FPS
    pixel_format: str = "MJPG"
    quality: int = 24

    @property
    def modes(self) -> str:
        """The only video mode, as the fake webcam reads it."""
        return f"{self.pixel_format} {self.size[0]} {self.size[1]} {self.fps}\n"

    def pictures(self) -> list[bytes]:
        """Return one second of them.

        JPEGs end with a comment that the fake webcam overwrites with a time. Their headers are the same in each, as
        those of a webcam are.
        """
        if self.pixel_format == "MJPG":
            return [self._jpeg() for _ in range(self.fps)]
        width, height = self.size
        return [_noise(self.size).resize((width * 2, height)).tobytes() for _ in range(self.fps)]

    def _jpeg(self) -> bytes:
        file = io.BytesIO()
        _noise(self.size).convert("RGB").save(file, "JPEG", quality=self.quality)
        comment = READY + b"0" * 19
        # T.81, B.2.4.5: a comment may stand between a scan and the end marker.
        segment = b"\xff\xfe" + (2 + len(comment)).to_bytes(2, "big") + comment
        return file.getvalue().removesuffix(EOI) + segment + EOI


WEBCAM = Video()
FULL_HD = Video((1920, 1080), FPS, quality=58)
RAW = Video((640, 480), 15, "YUYV")


@dataclass(frozen=True)
class Peer:
    """A server: the path of its stream, and a function of folder, camera, port and video that returns its command.

    `trust` is a context that trusts its certificate, or None without TLS.
    """

    name: str
    path: str
    command: Callable[[Path, Path, int, Video], list[str | Path]]
    trust: ssl.SSLContext | None = None


def ours(
    folder: Path, camera: Path, port: int, video: Video, settings: str = _NO_LIMITS, source: str = "v4l2"
) -> list[str | Path]:
    """Return the command line of this project's server. `settings` are lines for its [server] table."""
    file = folder / "config.toml"
    values = {"host": LOOPBACK, "port": port, "folder": folder, "camera": camera, "settings": settings}
    file.write_text(_CONFIGURATION.format(**values, source=source, video=video))
    return [sys.executable, "-m", "pi_mjpeg_server", "run", "--config", file, "--log-level", "error"]


def _ustreamer(_folder: Path, camera: Path, port: int, video: Video) -> list[str | Path]:
    width, height = video.size
    encoder = ["--format", "MJPEG", "--encoder", "HW"] if video.pixel_format == "MJPG" else ["--format", "YUYV"]
    arguments = [*encoder, "--resolution", f"{width}x{height}", "--desired-fps", str(video.fps), "--quality", "80"]
    arguments += ["--host", LOOPBACK, "--port", str(port), "--tcp-nodelay"]
    return [program("ustreamer"), "--device", camera, *arguments]


def _flask(_folder: Path, camera: Path, port: int, _video: Video) -> list[str | Path]:
    return [environments.flask() / "bin/python", "-m", "benchmarks.flask_server", camera, str(port)]


def _floor(_folder: Path, camera: Path, port: int, video: Video) -> list[str | Path]:
    source = Path(__file__).with_name("floor.c")
    return [executable(source), str(port), str(video.fps), *sorted((camera / "frames").iterdir())]


def on_one_core(peer: Peer) -> Peer:
    """Return the peer with a command that keeps it on the first core."""

    def command(folder: Path, camera: Path, port: int, video: Video) -> list[str | Path]:
        return ["taskset", "--cpu-list", "0", *peer.command(folder, camera, port, video)]

    return replace(peer, command=command)


OURS = Peer("pi_mjpeg", "/stream", ours)
USTREAMER = Peer("ustreamer", "/stream", _ustreamer)
FLASK = Peer("Flask", "/video_feed", _flask)
FLOOR = Peer("floor", "/", _floor)
EMULATED = Peer("pi_mjpeg, emulated", "/stream", partial(ours, source="emulated"))


@dataclass(frozen=True)
class Served:
    """A running server."""

    program: Program
    port: int
    peer: Peer
    started_in: float = 0.0
    """Seconds from its start to its first frame."""

    def viewer(self, rate: float | None = None) -> Viewer:
        """Return a new viewer of its stream."""
        return Viewer(self.port, self.peer.path, rate, self.peer.trust)


@contextlib.contextmanager
def serving(peer: Peer, folder: Path, video: Video = WEBCAM) -> Iterator[Served]:
    """Start a server on its own fake webcam, and wait for its first frame. It keeps its files in `folder`."""
    webcam = FakeWebcam(folder / "video0", video.pictures(), video.modes)
    port = free_ports(0)[0]
    command = peer.command(folder, webcam.path, port, video)
    server = Program(peer.name, command, folder / "log", environment(folder))
    served = Served(server, port, peer)
    began = time.monotonic()
    server.start()
    try:
        asyncio.run(server.wait_until(lambda: _sends_frames(served), _START_TIMEOUT, interval=0.01))
        yield replace(served, started_in=time.monotonic() - began)
    finally:
        server.stop()


def _sends_frames(served: Served) -> bool:
    try:
        viewer = served.viewer()
    except OSError:
        return False
    with contextlib.closing(viewer), contextlib.suppress(ScriptError):
        read([viewer], 1, until=lambda: viewer.frames > 0)
    return viewer.frames > 0


def _noise(size: tuple[int, int]) -> Image.Image:
    return Image.effect_noise((size[0] // 4, size[1] // 4), 40).resize(size)
