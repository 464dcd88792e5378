"""The sockets that the server listens on."""

import asyncio
import contextlib
import errno
import os
import socket
from collections.abc import AsyncIterator, Sequence

from pi_mjpeg_server.config import ServerSettings

_ANOTHER_PORT = "try --port"
_ANOTHER_HOST = "set --host to an address of this machine, or leave it out"
_ADVICE = {
    errno.EADDRNOTAVAIL: _ANOTHER_HOST,
    errno.EACCES: "a port below 1024 needs the right CAP_NET_BIND_SERVICE: try a higher --port",
}


class ListenError(Exception):
    """The server cannot listen on the configured address; the message says why."""


@contextlib.asynccontextmanager
async def listening(settings: ServerSettings) -> AsyncIterator[Sequence[socket.socket]]:
    """Listen on all addresses of `host`, while the context lasts. The value is the non-blocking sockets.

    Raises `ListenError`.
    """
    with contextlib.ExitStack() as stack:
        try:
            if settings.host is None:
                listeners = [stack.enter_context(_listen_on_all_addresses(settings.port))]
            else:
                found = await asyncio.get_running_loop().getaddrinfo(
                    settings.host, settings.port, type=socket.SOCK_STREAM
                )
                listeners = [
                    stack.enter_context(socket.create_server(address, family=family))
                    for family, _, _, _, address in found
                ]
        except OSError as error:
            # Python's own text repeats the address. The errors of getaddrinfo have numbers below zero.
            reason = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror
            where = settings.host or "this machine's"
            usual = _ANOTHER_HOST if isinstance(error, socket.gaierror) else _ANOTHER_PORT
            advice = _ADVICE.get(error.errno or 0, usual)
            raise ListenError(f"cannot listen on {where} port {settings.port}: {reason}; {advice}") from error
        for listener in listeners:
            listener.setblocking(False)  # noqa: FBT003  (it takes no keyword)
        yield listeners


def _listen_on_all_addresses(port: int) -> socket.socket:
    """Return a dual-stack socket, or one of IPv4 alone where the kernel has no IPv6."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except (OSError, ValueError) as error:
        if getattr(error, "errno", None) == errno.EADDRINUSE:
            raise
        return socket.create_server(("", port))
