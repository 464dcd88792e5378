"""Whose pages on other origins may read what this server answers (CORS, in the Fetch standard)."""

from collections.abc import Collection

from aiohttp import web
from aiohttp.typedefs import Handler

_MAY_SEND = "Authorization, Content-Type"
_MAY_READ = "Retry-After, X-Timestamp"
_REMEMBERED = "600"


class CorsPolicy:
    """The origins whose scripts may ask, with the token in a header as any program does.

    A browser never adds the page's cookie for them, as no answer allows credentials.
    """

    def __init__(self, origins: Collection[str]) -> None:
        """Invite these origins, each as a browser writes it."""
        self._origins = frozenset(origins)

    def allows(self, request: web.Request) -> bool:
        """Tell whether a script of an invited page asks."""
        return request.headers.get("Origin") in self._origins

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer the browser's question whether such a script may ask, which it puts without the token."""
        if request.method != "OPTIONS" or not self.allows(request):
            return await handler(request)
        refusal = request.match_info.http_exception
        if not isinstance(refusal, web.HTTPMethodNotAllowed) or "Access-Control-Request-Method" not in request.headers:
            return await handler(request)
        return web.Response(
            status=204,
            headers={
                "Access-Control-Allow-Methods": ", ".join(sorted(refusal.allowed_methods)),
                "Access-Control-Allow-Headers": _MAY_SEND,
                "Access-Control-Max-Age": _REMEMBERED,
            },
        )

    async def label(self, request: web.Request, response: web.StreamResponse) -> None:
        """Let an invited page's script read this answer, be it a refusal."""
        if not self._origins:
            return
        # What a cache holds for one page is not for another, nor for one that did not ask as a script.
        response.headers.add("Vary", "Origin")
        if self.allows(request):
            response.headers["Access-Control-Allow-Origin"] = request.headers["Origin"]
            response.headers["Access-Control-Expose-Headers"] = _MAY_READ


CORS_POLICY = web.AppKey("cors_policy", CorsPolicy)
