"""Puts the server together, runs it, and takes it down in order."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pi_mjpeg_server.access import AccessToken, TokenError
from pi_mjpeg_server.adjustments import Adjustments
from pi_mjpeg_server.camera import Camera
from pi_mjpeg_server.config import Configuration, ConfigurationError, ServerSettings
from pi_mjpeg_server.identity import identify
from pi_mjpeg_server.mqtt.bridge import Bridge
from pi_mjpeg_server.notify import notifying
from pi_mjpeg_server.snapshots import Signer, SnapshotStore
from pi_mjpeg_server.sources.choice import source_maker
from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web.listening import listening

if TYPE_CHECKING:
    from pi_mjpeg_server.zeroconf import Beacon

_LOGGER = logging.getLogger(__name__)
_SIGNING = "pi_mjpeg snapshots"


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
    bridge = Bridge(station, configuration.mqtt, configuration.server)
    beacon = _beacon(station, configuration.server)
    try:
        async with listening(station, configuration.server):
            for camera in station.cameras:
                camera.start()
            bridge.start()
            if beacon is not None:
                beacon.start()
            try:
                async with notifying(station, os.environ):
                    await stopping.wait()
                    _LOGGER.info("stopping")
            finally:
                if beacon is not None:
                    await beacon.stop()
                await bridge.stop()
    finally:
        await asyncio.gather(*(camera.stop() for camera in station.cameras))


def token_file(configuration: Configuration) -> Path:
    """Return where the access token lies."""
    return configuration.server.state_dir / "token"


def access_token(configuration: Configuration) -> AccessToken:
    """Return the access token, made when there is none yet. Raises `ConfigurationError`."""
    folder = configuration.server.state_dir
    try:
        return AccessToken(token_file(configuration))
    except TokenError as error:
        raise ConfigurationError(str(error)) from error
    except OSError as error:
        raise ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}") from error


def _beacon(station: Station, settings: ServerSettings) -> "Beacon | None":
    if not settings.zeroconf:
        return None
    # It costs a Pi Zero 2 a second and some megabytes, so only a server that announces itself pays for it.
    from pi_mjpeg_server.zeroconf import Beacon  # noqa: PLC0415

    return Beacon(station.identity, settings, station.auth)


def _make_station(configuration: Configuration) -> Station:
    folder = configuration.server.state_dir
    token = access_token(configuration)
    try:
        identity = identify(configuration.server.name, folder)
    except OSError as error:
        raise ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}") from error
    store = SnapshotStore(folder / "snapshots", Signer(lambda: token.key(_SIGNING)))
    token_or_none = token if configuration.auth.mode == "token" else None
    return Station(identity, make_cameras(configuration), store, _adjustments(configuration), token=token_or_none)
