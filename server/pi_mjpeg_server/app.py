"""Puts the server together, runs it, and takes it down in order."""

import asyncio
import logging
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.config import Configuration, ConfigurationError, ServerSettings
from pi_mjpeg_server.mqtt.bridge import Bridge
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.sources.auto import source_maker
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError
from pi_mjpeg_server.storage.control_store import ControlStore
from pi_mjpeg_server.storage.snapshots import SnapshotStore, UrlSigner
from pi_mjpeg_server.system.identity import identify
from pi_mjpeg_server.systemd import notifying
from pi_mjpeg_server.web.http_server import serving_http

if TYPE_CHECKING:
    from pi_mjpeg_server.discovery.zeroconf import ZeroconfAnnouncer

_LOGGER = logging.getLogger(__name__)
_SIGNING = "pi_mjpeg snapshots"


def make_cameras(configuration: Configuration) -> list[Camera]:
    """Return the configured cameras, adjusted as they were left, none of them started."""
    adjusted = _control_store(configuration).load()
    return [
        Camera(settings, source_maker(settings.source), adjusted.get(settings.id)) for settings in configuration.cameras
    ]


def _control_store(configuration: Configuration) -> ControlStore:
    return ControlStore(configuration.server.state_dir / "controls.json")


async def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` or `ListenError` when it cannot begin."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await asyncio.to_thread(_make_server, configuration)
    bridge = Bridge(server, configuration.mqtt, configuration.server)
    announcer = _zeroconf_announcer(server, configuration.server)
    try:
        async with serving_http(server, configuration.server):
            for camera in server.cameras:
                camera.start()
            bridge.start()
            if announcer is not None:
                announcer.start()
            try:
                async with notifying(server, os.environ):
                    await stopping.wait()
                    _LOGGER.info("stopping")
            finally:
                if announcer is not None:
                    await announcer.stop()
                await bridge.stop()
    finally:
        await asyncio.gather(*(camera.stop() for camera in server.cameras))


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


def _zeroconf_announcer(server: Server, settings: ServerSettings) -> "ZeroconfAnnouncer | None":
    if not settings.zeroconf:
        return None
    # It costs a Pi Zero 2 a second and some megabytes, so only a server that announces itself pays for it.
    from pi_mjpeg_server.discovery.zeroconf import ZeroconfAnnouncer  # noqa: PLC0415

    return ZeroconfAnnouncer(server.identity, settings, server.auth)


def _make_server(configuration: Configuration) -> Server:
    folder = configuration.server.state_dir
    token = access_token(configuration)
    try:
        identity = identify(configuration.server.name, folder)
    except OSError as error:
        raise ConfigurationError(f"state_dir: cannot keep state in {folder}: {error}") from error
    store = SnapshotStore(folder / "snapshots", UrlSigner(lambda: token.key(_SIGNING)))
    token_or_none = token if configuration.auth.mode == "token" else None
    return Server(identity, make_cameras(configuration), store, _control_store(configuration), token=token_or_none)
