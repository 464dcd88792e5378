"""aiohttp's request parser with a limit for the whole request head."""

from collections.abc import Sequence
from typing import Any

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from pi_mjpeg_server.web.errors import error_body
from pi_mjpeg_server.web.security.head_limits import HEAD_TOO_LARGE, MAX_HEAD_BYTES, MAX_LINE_BYTES

_MAX_DROPPED_BYTES = 256 * 1024
_END_OF_HEAD = b"\r\n\r\n"
_TOO_MANY_FIELDS = "Too many headers received"
_LINE_TOO_LONG = f"the request line is longer than {MAX_LINE_BYTES} bytes"


class HeadTooLargeError(HttpProcessingError):
    """A request head that is not complete is larger than `MAX_HEAD_BYTES` already."""


class LimitedParser:
    """aiohttp's request parser, which gives up on a head of more than `MAX_HEAD_BYTES`.

    aiohttp limits each field and their number, but 64 fields of 16 kB would take a megabyte of each connection. The
    rest of a head that is too large is read and dropped before the error is raised: if the connection were closed while
    the client still sends, a reset would overtake the answer.
    """

    def __init__(self, parser: Any) -> None:  # noqa: ANN401  (one of aiohttp's two parsers)
        """Parse with `parser`."""
        self._parser = parser
        self._bytes = 0
        self._body: Any = None
        self._error: HttpProcessingError | None = None
        self._end = b""

    def feed_data(self, data: bytes) -> tuple[Sequence[Any], bool, bytes]:
        """Parse what was received. Raises `HttpProcessingError` for what is not HTTP or too large."""
        if self._error is not None:
            return self._drop(data, self._error)
        try:
            result: tuple[Sequence[Any], bool, bytes] = self._parser.feed_data(data)
        except HttpProcessingError as error:
            if too_large(error) is None:
                raise
            self._error = error.with_traceback(None)
            return self._drop(data, error)
        messages = result[0]
        if messages:
            self._body = messages[-1][1]
        is_body = self._body is not None and not self._body.is_eof()
        self._bytes = 0 if messages or is_body else self._bytes + len(data)
        if self._bytes > MAX_HEAD_BYTES:
            self._error = HeadTooLargeError()
            return self._drop(data, self._error)
        return result

    def _drop(self, data: bytes, error: HttpProcessingError) -> tuple[Sequence[Any], bool, bytes]:
        """Drop what was received. Raises `error` at the end of the head, or when it is far too large."""
        self._bytes += len(data)
        end = self._end + data
        if _END_OF_HEAD in end or self._bytes > _MAX_DROPPED_BYTES:
            raise error
        self._end = end[-len(_END_OF_HEAD) :]
        return (), False, b""

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401  (whatever aiohttp uses of its parser)
        """Return an attribute of aiohttp's parser."""
        return getattr(self._parser, name)


def too_large(error: BaseException | None) -> tuple[int, str] | None:
    """Return the status and the body for the parser's error about a size, or None for any other error."""
    if isinstance(error, LineTooLong) and error.args[1] == MAX_LINE_BYTES:
        return web.HTTPRequestURITooLong.status_code, error_body("uri_too_long", _LINE_TOO_LONG)
    is_field = isinstance(error, LineTooLong | HeadTooLargeError)
    if is_field or (isinstance(error, HttpProcessingError) and error.message == _TOO_MANY_FIELDS):
        return web.HTTPRequestHeaderFieldsTooLarge.status_code, error_body("headers_too_large", HEAD_TOO_LARGE)
    return None
