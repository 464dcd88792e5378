"""Which web pages of other origins may read this server's responses (CORS, in the Fetch standard)."""

from collections.abc import Iterable

from aiohttp import web
from aiohttp.typedefs import Handler

_ALLOWED_HEADERS = "Authorization, Content-Type"
_EXPOSED_HEADERS = "Retry-After, X-Gap, X-Height, X-Timestamp, X-Width"
_MAX_AGE = "600"


class CorsPolicy:
    """The origins whose scripts may send requests, with the token in a header as any other client does.

    A browser never adds the session cookie to their requests, because no response allows credentials.
    """

    def __init__(self, origins: Iterable[str] = ()) -> None:
        """Allow these origins, each written as a browser writes it."""
        self._origins = frozenset(origins)

    def allows(self, request: web.Request) -> bool:
        """Return whether the request comes from a script of an allowed origin."""
        return request.headers.get("Origin") in self._origins

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer preflight requests of allowed origins, which a browser sends without the token."""
        if request.method != "OPTIONS" or not self.allows(request):
            return await handler(request)
        error = request.match_info.http_exception
        if not isinstance(error, web.HTTPMethodNotAllowed) or "Access-Control-Request-Method" not in request.headers:
            return await handler(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": ", ".join(sorted(error.allowed_methods)),
                "Access-Control-Allow-Headers": _ALLOWED_HEADERS,
                "Access-Control-Max-Age": _MAX_AGE,
            },
        )

    async def add_headers(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let scripts of an allowed origin read this response, errors included."""
        if not self._origins:
            return
        # A cache must not give a response for one origin to another, or to a request without an Origin.
        response.headers.add("Vary", "Origin")
        if self.allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS


CORS_POLICY = web.AppKey("cors_policy", CorsPolicy)
