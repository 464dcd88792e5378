"""One client's connection: held to sizes and times, refused in our own words."""

import asyncio
import json

from aiohttp import web

from pi_mjpeg_server.web.door import Place

IDLE = 15.0
"""Seconds in which the first request has to be there whole, and the next one after an answer."""

_LONGEST_LINE = 8190
_LONGEST_HEADER = 4096
_MOST_HEADERS = 64


class Connection(web.RequestHandler):
    """aiohttp's connection, with a place of its own and with refusals in JSON."""

    def __init__(self, server: web.Server, place: Place) -> None:
        """Speak for this server, and leave the place in the end."""
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
        self._place = place

    def connection_lost(self, exc: BaseException | None) -> None:
        """Make room for another."""
        self._place.leave()
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


FULL = _full()
"""What somebody is told for whom there is no room."""
