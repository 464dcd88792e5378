"""Accepts connections: each is counted before its TLS handshake, so one that never ends takes a slot too."""

import asyncio
import contextlib
import errno
import socket
import ssl
import time
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.web.security.connection_slot import ConnectionSlot
from pi_mjpeg_server.web.security.ip_addresses import normalize_ip
from pi_mjpeg_server.web.transport.connection import TOO_MANY_CONNECTIONS, Connection
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit

HANDSHAKE_TIMEOUT = 10.0
"""Seconds that a TLS handshake may take."""
UNREAD_TIMEOUT = 20.0
"""Seconds after which a client that reads nothing of what was sent is disconnected, whatever it requested."""

RECEIVE_BUFFER_BYTES = 16 * 1024
"""Bytes that the kernel may hold of what one client sends: the loop parses no more of it in one iteration."""

_TLS_SHUTDOWN_TIMEOUT = 2.0
_ACCEPT_RETRY_DELAY = 1.0
_OUT_OF_RESOURCES = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Accepts connections for one server, with TLS if there is an SSL context.

    A slot of the connection limit is acquired when a connection is accepted, and released when its task ends: after
    a failed handshake, or when the connection is lost. The limit may take it away before, for another connection.
    """

    def __init__(self, server: web.Server, limit: ConnectionLimit, context: ssl.SSLContext | None) -> None:
        """Accept as many connections as the limit allows."""
        self._server = server
        self._limit = limit
        self._context = context
        self._connections: dict[ConnectionSlot, tuple[asyncio.Task[None], Connection]] = {}
        self._one_request_per_iteration = asyncio.Lock()
        self._rate_limited_log = RateLimitedLog()

    @contextlib.asynccontextmanager
    async def accepting(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Accept connections on these non-blocking sockets while the context lasts."""
        for listener in listeners:
            # Accepted sockets inherit the option.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        accepting = [asyncio.create_task(self._accept(listener)) for listener in listeners]
        try:
            yield
        finally:
            tasks = (*accepting, *(task for task, _ in self._connections.values()))
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                # Any other error is one of the connection that was to be accepted (accept(2) on Linux): go on.
                out_of_resources = error.errno in _OUT_OF_RESOURCES
                if out_of_resources:
                    self._rate_limited_log.warn("resources", f"cannot accept connections: {error.strerror}")
                await asyncio.sleep(_ACCEPT_RETRY_DELAY if out_of_resources else 0)
                continue
            self._handle(sock, normalize_ip(str(address[0])))
            # One per iteration of the loop: a thousand new connections must not delay the frames of viewers.
            await asyncio.sleep(0)

    def _handle(self, sock: socket.socket, address: str) -> None:
        slot = self._limit.acquire(address, time.monotonic(), self._close)
        if slot is None:
            self._rate_limited_log.warn("limit", f"too many connections; one from {address} was refused")
            self._refuse(sock)
            return

        def ended(_: asyncio.Task[None]) -> None:
            del self._connections[slot]
            self._limit.release(slot)
            # A task that is cancelled before it begins has not handed the socket to a transport, which would close it.
            sock.close()

        connection = Connection(self._server, slot, self._one_request_per_iteration)
        task = asyncio.create_task(self._run(sock, connection))
        self._connections[slot] = task, connection
        task.add_done_callback(ended)

    def _close(self, slot: ConnectionSlot) -> None:
        """Close a connection whose slot was given to another."""
        self._rate_limited_log.warn("room", "too many connections; those that show no token make room for new ones")
        task, connection = self._connections[slot]
        if connection.transport is None:
            task.cancel()
        else:
            connection.close_for_another()

    async def _run(self, sock: socket.socket, connection: Connection) -> None:
        """Serve one connection from its TLS handshake until it is lost."""
        tls = self._context is not None
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_TIMEOUT * 1000))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: connection,
                sock,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT if tls else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_TIMEOUT if tls else None,
            )
        except OSError:
            # The handshake failed or timed out. Anybody on the network can make it fail, so it is not logged.
            return
        await connection.wait_closed()

    def _refuse(self, sock: socket.socket) -> None:
        """Close a connection; without TLS, send the reason first."""
        with contextlib.closing(sock), contextlib.suppress(OSError):
            if self._context is None:
                sock.setblocking(False)  # noqa: FBT003  (it takes no keyword)
                sock.send(TOO_MANY_CONNECTIONS)
                # FIN first: if the client is still sending, close() alone sends a reset, which may overtake the answer.
                sock.shutdown(socket.SHUT_WR)
