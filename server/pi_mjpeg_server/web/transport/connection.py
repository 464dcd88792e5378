"""One client's connection: held to sizes and times, refused in our own words."""

import asyncio
from collections.abc import Awaitable, Callable

from aiohttp import web, web_protocol

from pi_mjpeg_server.web.errors import refusal
from pi_mjpeg_server.web.transport.connection_limit import ConnectionSlot

IDLE = 15.0
"""Seconds in which the first request has to be there whole, and the next one after an answer."""

_MAX_LINE = 2048
_MAX_HEADER = 4096
_MAX_HEADERS = 40
_NO_HTTP = "this is not HTTP as this server understands it: see RFC 9112, and keep lines and headers short"

# A request that waits behind another holds its headers. Of 32, which aiohttp takes ahead, a few dozen connections would
# fill the memory of a small Pi.
web_protocol.MAX_MSG_QUEUE_SIZE = 2


class Connection(web.RequestHandler):
    """aiohttp's connection, with a slot of its own and with refusals in JSON."""

    def __init__(self, server: web.Server, slot: ConnectionSlot, turn: asyncio.Lock) -> None:
        """Speak for this server, take turns with its other connections, and leave the slot in the end."""
        super().__init__(
            server,
            loop=asyncio.get_running_loop(),
            # aiohttp's own is over an hour, for connections that say nothing too.
            keepalive_timeout=IDLE,
            access_log=None,  # type: ignore[arg-type]  # aiohttp itself passes None for "no access log"
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_HEADER,
            max_headers=_MAX_HEADERS,
            auto_decompress=False,
            # A body that nobody wants is not waited for, and not parsed.
            lingering_time=0,
        )
        self._slot = slot
        self._turn = turn

    def data_received(self, data: bytes) -> None:
        """Take what was sent."""
        super().data_received(data)
        for message, _ in self._messages:
            error = getattr(message, "exc", None)
            if error is not None:
                _forget(error)

    async def start(self) -> None:
        """Answer one request after the other, until the connection ends."""
        try:
            await super().start()
        except Exception:  # noqa: BLE001  (whatever it is, it comes of what was sent)
            # aiohttp looks at the target's host where nothing is caught, and some are refused there: http://xn--/
            if self.transport is not None:
                self.transport.write(_raw("400 Bad Request", refusal("bad_request", _NO_HTTP)))
                self.transport.close()

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Begin one request in each turn of the loop: with fifty at once, frames would wait until all are answered."""
        async with self._turn:
            await asyncio.sleep(0)
        response, reset = await super()._handle_request(request, start_time, request_handler)
        if isinstance(response, web.HTTPException):
            _forget(response)
        return response, reset

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        self._slot.release()
        super().connection_lost(exc)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,  # noqa: ARG002  (it may quote what was sent)
    ) -> web.StreamResponse:
        """Answer what is no HTTP in the form of every refusal, and hang up."""
        if request.writer.output_size > 0:
            raise ConnectionResetError("the answer has begun already")
        if isinstance(exc, UnicodeError):
            # aiohttp quotes an unknown Expect header, which need not be text, where no route is asked.
            status = web.HTTPBadRequest.status_code
        if status < web.HTTPInternalServerError.status_code:
            # aiohttp's message may quote what was sent; it goes back to nobody.
            response = web.Response(status=status, text=refusal("bad_request", _NO_HTTP))
        else:
            self.log_exception("a request failed", exc_info=exc)
            response = web.Response(status=status, text=refusal("internal", "the server made a mistake"))
        response.content_type = "application/json"
        response.force_close()
        return response


def _forget(error: BaseException) -> None:
    """Let go of what it came of: a traceback holds all that was sent, in a cycle that may be collected much later."""
    error.__traceback__ = error.__cause__ = error.__context__ = None


def _raw(status: str, text: str, header: str = "") -> bytes:
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n{header}"
    return f"{head}Connection: close\r\n\r\n".encode() + body


FULL = _raw(
    "503 Service Unavailable",
    refusal("too_many_connections", "there are too many connections; try again in a few seconds"),
    "Retry-After: 5\r\n",
)
"""What somebody is told for whom there is no room."""
