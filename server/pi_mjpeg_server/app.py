"""Puts the server together, runs it, and takes it down in order."""

import asyncio
import logging
import os
import secrets
import signal
from pathlib import Path

from aiohttp import web

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.adjustments import Adjustments
from pi_mjpeg_server.camera import Camera
from pi_mjpeg_server.config import Configuration, ConfigurationError, ServerSettings
from pi_mjpeg_server.identity import identify
from pi_mjpeg_server.mqtt.bridge import Bridge
from pi_mjpeg_server.notify import notifying
from pi_mjpeg_server.snapshots import Signer, SnapshotStore
from pi_mjpeg_server.sources.choice import source_maker
from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web.application import make_application

_LOGGER = logging.getLogger(__name__)
_KEY_BYTES = 32
_IDLE_CONNECTION = 15
_SHUTDOWN = 2


class ListenError(Exception):
    """The server cannot listen where it was told to; the message says why."""


def make_cameras(configuration: Configuration) -> list[Camera]:
    """Return the configured cameras, adjusted as they were left, none of them started."""
    adjusted = _adjustments(configuration).load()
    return [
        Camera(settings, source_maker(settings.source), adjusted.get(settings.id)) for settings in configuration.cameras
    ]


def _adjustments(configuration: Configuration) -> Adjustments:
    return Adjustments(configuration.server.state_dir / "controls.json")


async def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` or `ListenError` when it cannot begin."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    station = await asyncio.to_thread(_make_station, configuration)
    runner = web.AppRunner(
        make_application(station),
        # Without it a handler that waits for a frame never learns that its viewer left.
        handler_cancellation=True,
        # aiohttp's own is over an hour, for connections that say nothing too.
        keepalive_timeout=_IDLE_CONNECTION,
        shutdown_timeout=_SHUTDOWN,
        access_log=None,
    )
    await runner.setup()
    bridge = Bridge(station, configuration.mqtt, configuration.server)
    try:
        await _listen(runner, configuration.server)
        for camera in station.cameras:
            camera.start()
        bridge.start()
        async with notifying(station, os.environ):
            await stopping.wait()
            _LOGGER.info("stopping")
    finally:
        await bridge.stop()
        await runner.cleanup()
        await asyncio.gather(*(camera.stop() for camera in station.cameras))


def _make_station(configuration: Configuration) -> Station:
    folder = configuration.server.state_dir
    try:
        signer = Signer(_signing_key(folder / "signing-key"))
        identity = identify(configuration.server.name, folder)
    except OSError as error:
        raise ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}") from error
    return Station(
        identity, make_cameras(configuration), SnapshotStore(folder / "snapshots", signer), _adjustments(configuration)
    )


def _signing_key(path: Path) -> bytes:
    if path.is_file():
        key = path.read_bytes()
        if len(key) == _KEY_BYTES:
            return key
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    key = secrets.token_bytes(_KEY_BYTES)
    path.touch(mode=0o600)
    path.write_bytes(key)
    return key


async def _listen(runner: web.AppRunner, settings: ServerSettings) -> None:
    try:
        await web.TCPSite(runner, settings.host, settings.port).start()
    except OSError as error:
        why = error.strerror or str(error)
        raise ListenError(f"cannot listen on {settings.host} port {settings.port}: {why}; try --port") from error
    host = "localhost" if settings.host in {"0.0.0.0", "::"} else settings.host  # noqa: S104  (what it means, not a bind)
    address = f"[{host}]" if ":" in host else host
    _LOGGER.info("pi-mjpeg %s serves http://%s:%d", VERSION, address, settings.port)
    _LOGGER.warning("everybody who reaches this port can watch: there is no login yet")
