"""The HTTP server, put together: sockets, TLS, connection limit and application."""

import asyncio
import contextlib
import logging
import signal
from collections.abc import AsyncIterator

from aiohttp import web

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR
from pi_mjpeg_server.web.transport.acceptor import Acceptor
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit, raise_open_files_limit
from pi_mjpeg_server.web.transport.listen import ListenError, listening
from pi_mjpeg_server.web.transport.tls import load_certificate

# The command line needs these two as well.
__all__ = ["ListenError", "load_certificate", "serving_http"]

_LOGGER = logging.getLogger(__name__)
_SHUTDOWN_TIMEOUT = 2


@contextlib.asynccontextmanager
async def serving_http(server: Server, settings: ServerSettings) -> AsyncIterator[int]:
    """Serve HTTP or HTTPS while the context lasts. The value is the port.

    Raises `ConfigurationError` when the certificate cannot be used, and `ListenError` when the port cannot.
    """
    certificate = await asyncio.to_thread(load_certificate, settings)
    application = make_application(server, settings)
    limit = ConnectionLimit(settings, application[AUTHENTICATOR].proven_clients)
    raise_open_files_limit(limit.max_connections)
    # Without handler_cancellation, a handler that waits for a frame never learns that its viewer left.
    runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=_SHUTDOWN_TIMEOUT)
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner has no server after its setup")
    acceptor = Acceptor(runner.server, limit, certificate.context if certificate else None)
    # Without a certificate there is nothing to reload, and a SIGHUP must not end the server.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload if certificate else _do_nothing)
    try:
        async with listening(settings) as listeners, acceptor.accepting(listeners):
            port: int = listeners[0].getsockname()[1]
            _log_start(port, server, settings)
            yield port
    finally:
        await runner.cleanup()


def _log_start(port: int, server: Server, settings: ServerSettings) -> None:
    host = settings.host or "localhost"
    host_in_url = f"[{host}]" if ":" in host else host
    _LOGGER.info("pi-mjpeg %s serves %s://%s:%d", VERSION, settings.scheme, host_in_url, port)
    if server.token is None:
        _LOGGER.warning("everybody who reaches this port can watch and command: --no-auth was asked for")
    else:
        _LOGGER.info("watching needs the access token: `pi-mjpeg token` prints it")


def _do_nothing() -> None:
    """Ignore a signal."""
