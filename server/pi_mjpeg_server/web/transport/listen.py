"""The socket that clients reach, and what stands behind it."""

import asyncio
import contextlib
import errno
import logging
import os
import resource
import signal
import socket
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from pi_mjpeg_server import VERSION
from pi_mjpeg_server.config import ConfigurationError, ServerSettings
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.security.proxy_headers import TrustedHosts, trusted_hosts
from pi_mjpeg_server.web.security.viewer_limits import Limits
from pi_mjpeg_server.web.transport.acceptor import Acceptor
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit
from pi_mjpeg_server.web.transport.tls import Certificate, CertificateError

_LOGGER = logging.getLogger(__name__)
_SHUTDOWN = 2
_OTHER_FILES = 256  # cameras, MQTT, snapshots, libraries


class ListenError(Exception):
    """The server cannot listen where it was told to; the message says why."""


@contextlib.asynccontextmanager
async def listening(server: Server, settings: ServerSettings) -> AsyncIterator[int]:
    """Serve HTTP or HTTPS while the context lasts, on the port that it gives.

    Raises `ConfigurationError` or `ListenError`.
    """
    certificate = await asyncio.to_thread(certificate_of, settings)
    limits = Limits(settings.max_viewers, settings.max_viewers_per_camera, settings.max_viewers_per_address)
    _raise_open_files(limits)
    known = _trusted_hosts(settings)
    # Without handler_cancellation a handler that waits for a frame never learns that its viewer left.
    runner = web.AppRunner(
        make_application(server, limits, known, settings.cors_origins),
        handler_cancellation=True,
        shutdown_timeout=_SHUTDOWN,
    )
    await runner.setup()
    if runner.server is None:
        raise RuntimeError("aiohttp's runner has no server after its setup")
    acceptor = Acceptor(runner.server, ConnectionLimit(limits, known), certificate.context if certificate else None)
    # Without a certificate there is nothing to read anew, and a SIGHUP must not end the server.
    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, certificate.reload if certificate else _nothing)
    try:
        async with _listeners(settings) as listeners, acceptor.open(listeners):
            port: int = listeners[0].getsockname()[1]
            _tell(port, server, settings)
            yield port
    finally:
        await runner.cleanup()


def certificate_of(settings: ServerSettings) -> Certificate | None:
    """Return the certificate of a server that serves HTTPS. Raises `ConfigurationError`."""
    if settings.tls_certificate is None or settings.tls_key is None:
        return None
    try:
        return Certificate(settings.tls_certificate, settings.tls_key)
    except CertificateError as error:
        raise ConfigurationError(str(error)) from error


def _raise_open_files(limits: Limits) -> None:
    """Let this process open as many files as its limits promise; systems begin at 1024 and allow more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = limits.connections + _OTHER_FILES
    if soft >= needed:
        return
    allowed = needed if hard == resource.RLIM_INFINITY else min(needed, hard)
    resource.setrlimit(resource.RLIMIT_NOFILE, (allowed, hard))
    if allowed < needed:
        _LOGGER.warning("this system allows %d open files; max_viewers in [server] asks for %d", allowed, needed)


def _trusted_hosts(settings: ServerSettings) -> TrustedHosts:
    own = socket.gethostname()
    # A router gives the machine's name a domain of its own, such as raspberrypi.fritz.box.
    names = {own, own.partition(".")[0], f"{own.partition('.')[0]}.fritz.box", *settings.hosts}
    return trusted_hosts(names, settings.public_url, settings.trusted_proxies)


@contextlib.asynccontextmanager
async def _listeners(settings: ServerSettings) -> AsyncIterator[Sequence[socket.socket]]:
    """Listen on all addresses that the settings mean, while the context lasts. Raises `ListenError`."""
    with contextlib.ExitStack() as stack:
        try:
            if settings.host is None:
                listeners = [stack.enter_context(_everywhere(settings.port))]
            else:
                found = await asyncio.get_running_loop().getaddrinfo(
                    settings.host, settings.port, type=socket.SOCK_STREAM
                )
                listeners = [
                    stack.enter_context(socket.create_server(address, family=family))
                    for family, _, _, _, address in found
                ]
        except OSError as error:
            # Python adds the address, which is said already; a name that is not found has a number below zero.
            why = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            where = settings.host or "this machine's"
            raise ListenError(f"cannot listen on {where} port {settings.port}: {why}; try --port") from error
        for listener in listeners:
            listener.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        yield listeners


def _everywhere(port: int) -> socket.socket:
    """Return a socket on all addresses of both IP versions; on those of IPv4 where the kernel has IPv6 switched off."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port))


def _tell(port: int, server: Server, settings: ServerSettings) -> None:
    host = settings.host or "localhost"
    address = f"[{host}]" if ":" in host else host
    _LOGGER.info("pi-mjpeg %s serves %s://%s:%d", VERSION, settings.scheme, address, port)
    if server.token is None:
        _LOGGER.warning("everybody who reaches this port can watch and command: --no-auth was asked for")
    else:
        _LOGGER.info("watching needs the access token: `pi-mjpeg token` prints it")


def _nothing() -> None:
    """Do nothing."""
