"""A camera that follows a test's script, and a server that serves it over real sockets."""

import asyncio
import contextlib
import io
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlValue
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.clips import ClipStore
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.settings_store import SettingsStore
from pi_mjpeg_server.storage.signed_urls import UrlSigner
from pi_mjpeg_server.storage.snapshots import SnapshotStore
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.system.identity import Identity
from pi_mjpeg_server.web.http_server import serving_http
from PIL import Image

NODE = "5b2c7f0e9a41"


def grey(level: int, size: tuple[int, int] = (64, 48)) -> bytes:
    """Return a grey JPEG."""
    buffer = io.BytesIO()
    Image.new("L", size, level).save(buffer, "JPEG")
    return buffer.getvalue()


def level_of(jpeg: bytes) -> int:
    """Return the grey level in the middle of a JPEG. Fails when it cannot be decoded."""
    with Image.open(io.BytesIO(jpeg)) as image:
        middle = image.convert("L").crop(
            (image.width // 2, image.height // 2, image.width // 2 + 1, image.height // 2 + 1)
        )
        return middle.tobytes()[0]


@dataclass
class Script:
    """What a scripted camera does, and a record of what the server did with it."""

    fps: float = 50
    padding: int = 0
    picture: bytes | None = None
    delay: float = 0.0
    exposure: float | None = None
    opening: float = 0.0
    source_info: SourceInfo = field(default_factory=lambda: SourceInfo(model="Scripted", size=(64, 48), fps=50))
    fail_open: str | None = None
    raise_in_frames: str | None = None
    silent: bool = False
    blocked: threading.Event = field(default_factory=threading.Event)
    opened: int = 0
    capturing: int = 0
    captures: int = 0
    closed: int = 0
    frames: int = 0
    requested: SourceSettings = field(default_factory=SourceSettings)
    brightness: int = 0
    limits: list[float | None] = field(default_factory=list)
    fail_limit: bool = False

    def __post_init__(self) -> None:
        """Set `blocked`: frames block only while a test has cleared it."""
        self.blocked.set()

    def source(self, settings: SourceSettings) -> "ScriptedSource":
        """Return a source that follows this script."""
        self.requested = settings
        return ScriptedSource(self)


class ScriptedSource:
    """The source of a scripted camera."""

    def __init__(self, script: Script) -> None:
        """Follow this script."""
        self._script = script

    def open(self) -> SourceInfo:
        """Open the camera, or fail as scripted."""
        self._script.opened += 1
        time.sleep(self._script.opening)
        if self._script.fail_open is not None:
            raise RuntimeError(self._script.fail_open)
        return self._script.source_info

    def frames(self) -> Iterator[Picture | None]:
        """Yield grey pictures of different levels, or None, or raise or block as scripted."""
        script = self._script
        script.captures += 1
        script.capturing += 1
        try:
            while True:
                script.blocked.wait()
                if script.raise_in_frames is not None:
                    raise RuntimeError(script.raise_in_frames)
                if script.silent:
                    time.sleep(0.05)
                    yield None
                    continue
                script.frames += 1
                # Decoders ignore what follows the end marker.
                jpeg = script.picture or grey(script.frames % 200)
                yield Picture(jpeg + bytes(script.padding), time.monotonic() - script.delay, exposure=script.exposure)
                time.sleep(1 / script.fps)
        finally:
            script.capturing -= 1

    def controls(self) -> dict[str, Control]:
        """Return the only control, the brightness."""
        return {"brightness": Control("brightness", "integer", 0, self._script.brightness, -64, 64, 2)}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Set the brightness."""
        assert name == "brightness"
        self._script.brightness = int(value)

    def start_focus(self) -> None:
        """Focus at once."""

    def focus_result(self) -> bool | None:
        """Return that there is a focus."""
        return True

    def limit_rate(self, fps: float | None) -> None:
        """Record the limit, or fail as scripted."""
        if self._script.fail_limit:
            raise RuntimeError("the driver has no frame rate")
        self._script.limits.append(fps)

    def close(self) -> None:
        """Count the call."""
        self._script.closed += 1


def camera(script: Script, camera_id: str = "front", *, linger: float = 0.1) -> Camera:
    """Return a camera that follows a script."""
    settings = CameraSettings(camera_id, camera_id.title(), "scripted", linger, SourceSettings(size=(64, 48)))
    return Camera(settings, script.source)


@contextlib.asynccontextmanager
async def supervised(*cameras: Camera) -> AsyncIterator[None]:
    """Start cameras and stop them."""
    for each in cameras:
        each.start()
    try:
        yield
    finally:
        for each in cameras:
            await each.stop()


async def idle(cam: Camera) -> None:
    """Wait until the camera has taken its first picture and is idle."""
    await until(lambda: cam.capture_rate.count > 0 and cam.state is CameraState.IDLE)


@contextlib.asynccontextmanager
async def live_camera(script: Script) -> AsyncIterator[Camera]:
    """Start a camera that follows a script, and watch it while it is live."""
    async with supervised(cam := camera(script)):
        with cam.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: cam.state is CameraState.LIVE)
            yield cam


@dataclass
class Served:
    """A running server, and its URL."""

    url: str
    server: Server


@contextlib.asynccontextmanager
async def serving(
    folder: Path,
    cameras: Sequence[Camera],
    *,
    needs_token: bool = False,
    **settings: Any,  # noqa: ANN401  (those of [server])
) -> AsyncIterator[Served]:
    """Serve cameras on 127.0.0.1, as `app.run` does; with a token only if `needs_token`."""
    identity = Identity(NODE, "Garden Pi", None, None, "0.1.0")
    token = AccessToken(folder / "token")
    store = SnapshotStore(folder / "snapshots", UrlSigner(lambda: token.key("snapshots")))
    clips = ClipStore(folder / "clips", UrlSigner(lambda: token.key("snapshots")))
    stores = ControlStore(folder / "controls.json"), SettingsStore(folder / "settings.json"), clips
    view_tokens = ViewTokens(folder / "view_tokens.json", lambda: token.key("view"))
    server = Server(
        identity,
        cameras,
        store,
        *stores,
        token=token if needs_token else None,
        view_tokens=view_tokens if needs_token else None,
    )
    settings = {"host": "127.0.0.1", "port": 0, "state_dir": folder, **settings}
    server.start()
    try:
        async with serving_http(server, ServerSettings(**settings)) as port:
            scheme = "https" if "tls_certificate" in settings else "http"
            yield Served(f"{scheme}://127.0.0.1:{port}", server)
    finally:
        await server.stop()


async def until(condition: Callable[[], bool], seconds: float = 5.0) -> float:
    """Wait until a condition holds and return how long it took. Fails when it takes longer than `seconds`."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds, "the condition did not hold in time"
        await asyncio.sleep(0.01)
    return time.monotonic() - began
