"""One client's connection: limited in sizes and times, with errors in JSON."""

import asyncio

from aiohttp import web

from pi_mjpeg_server.web.errors import error_body
from pi_mjpeg_server.web.security.connection_slot import CONNECTION_SLOT, ConnectionSlot
from pi_mjpeg_server.web.security.head_limits import MAX_FIELD_BYTES, MAX_FIELDS, MAX_LINE_BYTES
from pi_mjpeg_server.web.transport.aiohttp_internals import RequestHandler
from pi_mjpeg_server.web.transport.limited_parser import LimitedParser, too_large

IDLE_TIMEOUT = 15.0
"""Seconds in which the first request has to be complete, and the next one after each response."""

_NOT_HTTP = "this is not HTTP as this server understands it: see RFC 9112"


class Connection(RequestHandler):
    """aiohttp's connection, with strict limits, and with JSON bodies for errors outside any route."""

    def __init__(self, server: web.Server, slot: ConnectionSlot, one_request_per_iteration: asyncio.Lock) -> None:
        """Serve requests for this server; all its connections share the lock (see `before_request`)."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # aiohttp's default is over an hour, and applies to connections that never send anything too.
            keepalive_timeout=IDLE_TIMEOUT,
            access_log=None,  # type: ignore[arg-type]  # aiohttp itself passes None for "no access log"
            max_line_size=MAX_LINE_BYTES,
            max_field_size=MAX_FIELD_BYTES,
            max_headers=MAX_FIELDS,
            auto_decompress=False,
            # Do not read and parse the rest of a body that no handler wants.
            lingering_time=0,
        )
        self._parser = LimitedParser(self._parser)  # type: ignore[assignment]  # it has all attributes of a parser
        self._slot = slot
        self._one_request_per_iteration = one_request_per_iteration
        self._closed = asyncio.Event()

    def close_for_another(self) -> None:
        """Close the connection at once, because another one needs its slot.

        A client that has not requested anything gets the reason, as if it had been refused; over TLS, no reason that
        arrives before its request would reach it.
        """
        if self.transport is None:
            return
        if self._slot.has_requested or self.transport.get_extra_info("sslcontext") is not None:
            self.transport.abort()
        else:
            self.transport.write(TOO_MANY_CONNECTIONS)
            self.transport.close()

    async def wait_closed(self) -> None:
        """Wait until the connection is lost."""
        await self._closed.wait()

    async def before_request(self, request: web.BaseRequest) -> None:
        """Let only one request of all connections begin in each iteration of the event loop.

        Otherwise all requests that arrive together are handled in one iteration, and viewers wait for their next frame
        until all are answered: fifty connections with costly requests were enough to starve a viewer.
        """
        self._slot.has_requested = True
        request[CONNECTION_SLOT] = self._slot
        async with self._one_request_per_iteration:
            await asyncio.sleep(0)
        self._slot.is_answered = True

    def unhandled_error(self) -> None:
        """Answer 400: aiohttp rejects some request targets, such as http://xn--/, where it catches nothing."""
        if self.transport is not None:
            self.transport.write(_raw_response("400 Bad Request", error_body("bad_request", _NOT_HTTP)))
            self.transport.close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake `wait_closed`."""
        self._closed.set()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it may quote what was sent)
    ) -> web.StreamResponse:
        """Return an error response in JSON for what is not HTTP, and close the connection."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the response has begun already")
        if isinstance(exc, UnicodeError):
            # aiohttp quotes an unknown Expect header, which may not be text, for a path that has no route.
            status = web.HTTPBadRequest.status_code
        if limit := too_large(exc):
            response = web.Response(status=limit[0], text=limit[1])
        elif status < web.HTTPInternalServerError.status_code:
            # Not with aiohttp's message: it may quote what was sent.
            response = web.Response(status=status, text=error_body("bad_request", _NOT_HTTP))
        else:
            self.log_exception("a request failed", exc_info=exc)
            response = web.Response(status=status, text=error_body("internal", "the server made a mistake"))
        response.content_type = "application/json"
        response.force_close()
        return response


def _raw_response(status: str, text: str, header: str = "") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{header}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


TOO_MANY_CONNECTIONS = _raw_response(
    "503 Service Unavailable",
    error_body("too_many_connections", "there are too many connections; try again in a few seconds"),
    "Retry-After: 5\r\n",
)
"""The whole response to a connection beyond the limit."""
