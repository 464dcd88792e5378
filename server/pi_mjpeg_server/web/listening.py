"""The socket that clients reach, and what stands behind it."""

import asyncio
import contextlib
import errno
import logging
import signal
import socket
from collections.abc import AsyncIterator

from aiohttp import web

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.config import ConfigurationError, ServerSettings
from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.connection import Door
from pi_mjpeg_server.web.limits import Limits
from pi_mjpeg_server.web.peer import Reception, reception
from pi_mjpeg_server.web.tls import Certificate, CertificateError

_LOGGER = logging.getLogger(__name__)
_SHUTDOWN = 2
_HANDSHAKE = 10.0


class ListenError(Exception):
    """The server cannot listen where it was told to; the message says why."""


@contextlib.asynccontextmanager
async def listening(station: Station, settings: ServerSettings) -> AsyncIterator[asyncio.Server]:
    """Serve HTTP or HTTPS while the context lasts. Raises `ConfigurationError` or `ListenError`."""
    certificate = await asyncio.to_thread(_certificate, settings)
    limits = Limits(settings.max_viewers, settings.max_viewers_per_camera, settings.max_viewers_per_address)
    known = _reception(settings)
    # Without handler_cancellation a handler that waits for a frame never learns that its viewer left.
    runner = web.AppRunner(
        make_application(station, limits, known, settings.cors_origins),
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner has no server after its setup")
    try:
        server = await _listen(Door(runner.server, limits, known), settings, certificate)
        _tell(server, station, settings)
        try:
            yield server
        finally:
            server.close()
    finally:
        await runner.cleanup()


def _certificate(settings: ServerSettings) -> Certificate | None:
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return Certificate(settings.tls_certificate, settings.tls_key)
    except CertificateError as error:
        raise ConfigurationError(str(error)) from error


def _reception(settings: ServerSettings) -> Reception:
    own = socket.gethostname()
    # A router gives the machine's name a domain of its own, such as raspberrypi.fritz.box.
    names = {own, own.partition(".")[0], f"{own.partition('.')[0]}.fritz.box", *settings.hosts}
    return reception(names, settings.public_url, settings.trusted_proxies)


async def _listen(door: Door, settings: ServerSettings, certificate: Certificate | None) -> asyncio.Server:
    loop = asyncio.get_running_loop()
    context = certificate.context if certificate else None
    timeout = _HANDSHAKE if context else None
    try:
        if settings.host is None:
            everywhere = _everywhere(settings.port)
            server = await loop.create_server(door, sock=everywhere, ssl=context, ssl_handshake_timeout=timeout)
        else:
            server = await loop.create_server(
                door, settings.host, settings.port, ssl=context, ssl_handshake_timeout=timeout
            )
    except OSError as error:
        why = error.strerror or str(error)
        where = settings.host or "this machine's"
        raise ListenError(f"cannot listen on {where} port {settings.port}: {why}; try --port") from error
    # Without a certificate there is nothing to read anew, and a SIGHUP must not end the server.
    loop.add_signal_handler(signal.SIGHUP, certificate.reload if certificate else _nothing)
    return server


def _everywhere(port: int) -> socket.socket:
    """Return a socket on all addresses of both IP versions; on those of IPv4 where the kernel has IPv6 switched off."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port))


def _tell(server: asyncio.Server, station: Station, settings: ServerSettings) -> None:
    port = server.sockets[0].getsockname()[1]
    host = settings.host or "localhost"
    address = f"[{host}]" if ":" in host else host
    _LOGGER.info("pi-mjpeg %s serves %s://%s:%d", VERSION, settings.scheme, address, port)
    if station.token is None:
        _LOGGER.warning("everybody who reaches this port can watch and command: --no-auth was asked for")
    else:
        _LOGGER.info("watching needs the access token: `pi-mjpeg token` prints it")


def _nothing() -> None:
    """Do nothing."""
