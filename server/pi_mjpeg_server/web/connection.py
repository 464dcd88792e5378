"""One client's connection: counted before it says a word, held to sizes and times, refused in our own words."""

import asyncio
import json
from collections import Counter
from typing import cast

from aiohttp import web

from pi_mjpeg_server.web.limits import Limits
from pi_mjpeg_server.web.peer import Reception
from pi_mjpeg_server.web.throttle import network

IDLE = 15.0
"""Seconds in which the first request has to be there whole, and the next one after an answer."""

_LONGEST_LINE = 8190
_LONGEST_HEADER = 4096
_MOST_HEADERS = 64


class Door:
    """Makes the connections of one server, and counts them in all and by address.

    A trusted proxy stands for many clients, so it is not held to the limit of one address.
    """

    def __init__(self, server: web.Server, limits: Limits, reception: Reception) -> None:
        """Let clients in to `server`."""
        self._server = server
        self._limits = limits
        self._reception = reception
        self._inside: Counter[str] = Counter()

    def __call__(self) -> "Connection":
        """Make the protocol of a connection that comes in."""
        return Connection(self, self._server)

    def enter(self, address: str) -> bool:
        """Count somebody in, or say that it is full."""
        full = self._inside.total() >= self._limits.connections
        crowd = self._inside[network(address)] >= self._limits.connections_per_address
        if full or (crowd and not self._reception.trusts(address)):
            return False
        self._inside[network(address)] += 1
        return True

    def leave(self, address: str) -> None:
        """Count somebody out."""
        self._inside[network(address)] -= 1
        if not self._inside[network(address)]:
            del self._inside[network(address)]


class Connection(web.RequestHandler):
    """aiohttp's connection, with a count and with refusals in JSON."""

    def __init__(self, door: Door, server: web.Server) -> None:
        """Belong to a door."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # aiohttp's own is over an hour, for connections that say nothing too.
            keepalive_timeout=IDLE,
            access_log=None,  # type: ignore[arg-type]  # aiohttp itself passes None for "no access log"
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_HEADER,
            max_headers=_MOST_HEADERS,
            auto_decompress=False,
        )
        self._door = door
        self._address: str | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Let it in, or say that it is full and hang up."""
        peername = transport.get_extra_info("peername")
        address = str(peername[0]).removeprefix("::ffff:") if peername else "unknown"
        if not self._door.enter(address):
            plain = cast("asyncio.Transport", transport)
            plain.write(_FULL)
            plain.close()
            return
        self._address = address
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Hear what it says, unless it was refused."""
        if self._address is not None:
            super().data_received(data)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Count it out."""
        if self._address is not None:
            self._door.leave(self._address)
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what is no HTTP in the form of every refusal, and hang up."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun already")
        if isinstance(exc, UnicodeError):
            # aiohttp quotes an unknown Expect header, which need not be text, where no route is asked.
            status = web.HTTPBadRequest.status_code
        if status < web.HTTPInternalServerError.status_code:
            # aiohttp's message may quote what was sent; it goes back to nobody.
            message = "this is not HTTP as this server understands it: see RFC 9112, and keep lines and headers short"
            response = web.Response(status=status, body=_refusal("bad_request", message))
        else:
            self.log_exception("a request failed", exc_info=exc)
            response = web.Response(status=status, body=_refusal("internal", "the server made a mistake"))
        response.content_type = "application/json"
        response.force_close()
        return response


def _refusal(code: str, message: str) -> bytes:
    return json.dumps({"error": {"code": code, "message": message}}).encode()


def _full() -> bytes:
    body = _refusal("too_many_connections", "there are too many connections; try again in a few seconds")
    head = (
        "HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/json\r\nRetry-After: 5\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    return head.encode() + body


_FULL = _full()
