"""How large a request head may be. Cookies that other services set for the same host name are sent here as well."""

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.web.errors import headers_too_large

MAX_LINE_BYTES = 2048
MAX_FIELD_BYTES = 16 * 1024
MAX_FIELDS = 64
MAX_HEAD_BYTES = 32 * 1024
MAX_PARSED_BYTES = 4096
"""For the fields below: the time that aiohttp takes to parse them grows faster than their size."""

_PARSED = (
    "Content-Type",
    "Expect",
    "Host",
    "If-None-Match",
    "Origin",
    "X-Forwarded-For",
    "X-Forwarded-Host",
    "X-Forwarded-Prefix",
    "X-Forwarded-Proto",
)
HEAD_TOO_LARGE = (
    f"the headers are too large: {MAX_FIELDS} fields may have {MAX_HEAD_BYTES // 1024} kB in all, one field "
    f"{MAX_FIELD_BYTES // 1024} kB. A browser sends the cookies of all services of this host name: delete them, "
    "or give this server a host name of its own"
)


@web.middleware
async def head_limits_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse with 431 a head that arrived at once and is too large, and one with a large field that is parsed."""
    if sum(len(name) + len(value) for name, value in request.raw_headers) > MAX_HEAD_BYTES:
        raise headers_too_large(HEAD_TOO_LARGE)
    for name in _PARSED:
        if any(len(value) > MAX_PARSED_BYTES for value in request.headers.getall(name, ())):
            raise headers_too_large(f"{name} is longer than {MAX_PARSED_BYTES} bytes")
    return await handler(request)
