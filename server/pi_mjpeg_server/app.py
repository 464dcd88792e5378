"""Runs the server: starts its parts in order, waits for a signal to stop, and stops them in reverse order."""

import asyncio
import itertools
import logging
import os
import signal
from typing import TYPE_CHECKING

from pi_mjpeg_server.concurrency.backoff import retry_delay
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.config import Configuration, ServerSettings
from pi_mjpeg_server.make_server import make_server
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.state_folder import StateFolderError
from pi_mjpeg_server.systemd import notify_waiting, systemd_notifications
from pi_mjpeg_server.web.http_server import serving_http

if TYPE_CHECKING:
    from pi_mjpeg_server.discovery.zeroconf import ZeroconfAnnouncer
    from pi_mjpeg_server.mqtt.bridge import Bridge

_LOGGER = logging.getLogger(__name__)

STATE_FOLDER_DELAYS = (1.0, 2.0, 5.0, 10.0)
"""Seconds before each new attempt to use the state folder."""


async def run(configuration: Configuration) -> None:
    """Serve until SIGTERM or SIGINT. Raises `ConfigurationError` or `ListenError` if it cannot start.

    A state folder that cannot be used yet, such as one on a disk that is not mounted, is waited for.
    """
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    server = await _make_server(configuration, stopping)
    if server is None:
        return
    bridge = _mqtt_bridge(server, configuration)
    announcer: ZeroconfAnnouncer | None = None
    try:
        async with serving_http(server, configuration.server):
            server.start()
            if bridge is not None:
                bridge.start()
            announcer = await _zeroconf_announcer(server, configuration.server)
            if announcer is not None:
                announcer.start()
            try:
                async with systemd_notifications(server, os.environ):
                    await stopping.wait()
                    _LOGGER.info("stopping")
            finally:
                # Before the rest: who asked for a clip still gets the answer.
                await server.recorder.stop()
                if announcer is not None:
                    await announcer.stop()
                if bridge is not None:
                    await bridge.stop()
    finally:
        await server.stop()


async def _make_server(configuration: Configuration, stopping: asyncio.Event) -> Server | None:
    """Return the server as soon as its state folder can be used, or None when it is to stop before that."""
    logged = ""
    for attempt in itertools.count():
        try:
            server = await asyncio.to_thread(make_server, configuration)
        except StateFolderError as error:
            delay = retry_delay(STATE_FOLDER_DELAYS, attempt)
            if str(error) != logged:
                logged = str(error)
                _LOGGER.warning("%s; trying again until it can be used", logged)
            notify_waiting(os.environ, logged, delay)
        else:
            if logged:
                _LOGGER.info("the state folder %s can be used now", configuration.server.state_dir)
            return server
        if await wait_for_event(stopping, delay):
            return None
    return None


def _mqtt_bridge(server: Server, configuration: Configuration) -> "Bridge | None":
    mqtt = configuration.mqtt
    if mqtt.host is None:
        return None
    # It takes seven megabytes, so only a server that has a broker imports it.
    from pi_mjpeg_server.mqtt.bridge import Bridge  # noqa: PLC0415

    return Bridge(server, mqtt, mqtt.host, configuration.server)


async def _zeroconf_announcer(server: Server, settings: ServerSettings) -> "ZeroconfAnnouncer | None":
    if not settings.zeroconf:
        return None
    # The import takes a Pi Zero 2 a second and some megabytes, so only a server that announces itself does it, in a
    # thread and once its cameras are being opened.
    announcer: type[ZeroconfAnnouncer] = await asyncio.to_thread(_import_announcer)
    return announcer(server.identity, settings, server.auth, problems=server.problems)


def _import_announcer() -> "type[ZeroconfAnnouncer]":
    from pi_mjpeg_server.discovery.zeroconf import ZeroconfAnnouncer  # noqa: PLC0415

    return ZeroconfAnnouncer
