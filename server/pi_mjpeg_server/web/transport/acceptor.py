"""The way in: who comes is counted before it says a word, so a TLS handshake that never ends takes a slot too."""

import asyncio
import contextlib
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Sequence

from aiohttp import web

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.web.security.client_ip import plain
from pi_mjpeg_server.web.transport.connection import FULL, Connection
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit, ConnectionSlot

HANDSHAKE_TIMEOUT = 10.0
"""Seconds in which the two sides have to agree on a key."""
UNREAD_TIMEOUT = 20.0
"""Seconds after which a client that takes nothing of what was sent is hung up on, whatever it asked for."""

RECEIVE_BUFFER_BYTES = 16 * 1024
"""Bytes that the kernel may hold of what one client sends: the loop parses no more of it in one turn."""

_TLS_SHUTDOWN_TIMEOUT = 2.0
_ACCEPT_RETRY_DELAY = 1.0
_FULL_UP = {errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM}


class Acceptor:
    """Lets clients in to one server, by TLS when there is a context."""

    def __init__(self, server: web.Server, limit: ConnectionLimit, context: ssl.SSLContext | None) -> None:
        """Let in as many as the limit says."""
        self._server = server
        self._limit = limit
        self._context = context
        self._coming: set[asyncio.Task[None]] = set()
        self._turn = asyncio.Lock()
        self._rate_limited_log = RateLimitedLog()

    @contextlib.asynccontextmanager
    async def open(self, listeners: Sequence[socket.socket]) -> AsyncIterator[None]:
        """Take in who comes to these non-blocking sockets, while the context lasts."""
        for listener in listeners:
            # Who is accepted inherits it.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        serving = [asyncio.create_task(self._serve(listener)) for listener in listeners]
        try:
            yield
        finally:
            for task in (*serving, *self._coming):
                task.cancel()
            await asyncio.gather(*serving, *self._coming, return_exceptions=True)

    async def _serve(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                sock, address = await loop.sock_accept(listener)
            except OSError as error:
                # What else there is concerns the one who came, and is over (accept(2) on Linux).
                full_up = error.errno in _FULL_UP
                if full_up:
                    self._rate_limited_log.warn("full", f"no connection can be taken in: {error.strerror}")
                await asyncio.sleep(_ACCEPT_RETRY_DELAY if full_up else 0)
                continue
            self._receive(sock, plain(str(address[0])))
            # One at a time: a thousand at once must not hold up the frames of who watches.
            await asyncio.sleep(0)

    def _receive(self, sock: socket.socket, address: str) -> None:
        slot = self._limit.acquire(address)
        if slot is None:
            self._rate_limited_log.warn("crowd", f"there is no room for more connections; one of {address} was refused")
            self._refuse(sock)
            return
        task = asyncio.create_task(self._let_in(sock, slot))
        self._coming.add(task)
        task.add_done_callback(self._coming.discard)

    async def _let_in(self, sock: socket.socket, slot: ConnectionSlot) -> None:
        tls = self._context is not None
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            with contextlib.suppress(OSError):
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(UNREAD_TIMEOUT * 1000))
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                lambda: Connection(self._server, slot, self._turn),
                sock,
                ssl=self._context,
                ssl_handshake_timeout=HANDSHAKE_TIMEOUT if tls else None,
                ssl_shutdown_timeout=_TLS_SHUTDOWN_TIMEOUT if tls else None,
            )
        except OSError:
            # It spoke no TLS, or none that we know, or nothing at all: a stranger's mistake is no news.
            slot.release()

    def _refuse(self, sock: socket.socket) -> None:
        """Hang up on it; say why, where a handshake is not needed for that."""
        with contextlib.closing(sock), contextlib.suppress(OSError):
            if self._context is None:
                sock.setblocking(False)  # noqa: FBT003  (it takes no keyword)
                sock.send(FULL)
                # An end before the reset, which is what a close means to whoever still speaks.
                sock.shutdown(socket.SHUT_WR)
