"""What this server uses of aiohttp beyond its documented API, checked when the server starts.

Nothing public of aiohttp 3.14 does these jobs. When a later version renames one of them, an assignment or an override
would silently do nothing; the check makes the import fail instead.
"""

from collections.abc import Awaitable, Callable

import aiohttp
from aiohttp import web, web_protocol

_MAX_PIPELINED_REQUESTS = 2


def require_private_names() -> None:
    """Raise `ImportError` when the installed aiohttp lacks a private name that this server depends on."""
    used = (
        (web_protocol, "MAX_MSG_QUEUE_SIZE"),
        (web.RequestHandler, "_messages"),
        # Set by connection.py.
        (web.RequestHandler, "_parser"),
        (web.RequestHandler, "_handle_request"),
        (web.RequestHandler, "start"),
        # Set by routes/stream.py.
        (web.StreamResponse, "_length_check"),
    )
    missing = [f"{owner.__name__}.{name}" for owner, name in used if not hasattr(owner, name)]
    if missing:
        raise ImportError(
            f"aiohttp {aiohttp.__version__} has no {' and no '.join(missing)}, which pi-mjpeg depends on; "
            "install an earlier version of aiohttp, from 3.14 on"
        )


require_private_names()

# A request that waits behind another holds its headers. With the 32 that aiohttp reads ahead, a few dozen connections
# would fill the memory of a small Pi.
web_protocol.MAX_MSG_QUEUE_SIZE = _MAX_PIPELINED_REQUESTS


class RequestHandler(web.RequestHandler):
    """aiohttp's connection, with the hooks `before_request` and `unhandled_error`.

    It drops the tracebacks of the errors that requests cause: a traceback holds all that was sent, in a reference
    cycle that may be collected much later.
    """

    async def before_request(self, request: web.BaseRequest) -> None:
        """Run before each request is handled."""

    def unhandled_error(self) -> None:
        """Run when an exception ends the connection that aiohttp itself does not catch."""

    def data_received(self, data: bytes) -> None:
        """Parse what was received."""
        super().data_received(data)
        for message, _ in self._messages:
            error = getattr(message, "exc", None)
            if error is not None:
                _drop_traceback(error)

    async def start(self) -> None:
        """Answer one request after the other, until the connection ends."""
        try:
            await super().start()
        except Exception:  # noqa: BLE001  (whatever it is, what was sent caused it)
            self.unhandled_error()

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        await self.before_request(request)
        response, reset = await super()._handle_request(request, start_time, request_handler)
        if isinstance(response, web.HTTPException):
            _drop_traceback(response)
        return response, reset


def _drop_traceback(error: BaseException) -> None:
    error.__traceback__ = error.__cause__ = error.__context__ = None
