"""The files of the page, as they are in the package."""

import hashlib
from functools import cache
from importlib.resources import files

from aiohttp import ETag, web

from pi_mjpeg_server.web.errors import not_found
from pi_mjpeg_server.web.routes.request import is_cached

_STATIC = files("pi_mjpeg_server.web") / "static"
_TYPES = {
    "index.html": "text/html",
    "login.html": "text/html",
    "page.css": "text/css",
    "page.js": "text/javascript",
    "controls.js": "text/javascript",
    "clips.js": "text/javascript",
    "motion.js": "text/javascript",
    "regions.js": "text/javascript",
    "share.js": "text/javascript",
    "picture_size.js": "text/javascript",
    "login.js": "text/javascript",
    "icon.svg": "image/svg+xml",
    "openapi.json": "application/json",
}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; img-src 'self' blob:; style-src 'self'; script-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'self'",
    # Browsers may keep them, but have to ask each time whether they have changed.
    "Cache-Control": "no-cache",
}


async def static(request: web.Request) -> web.Response:
    """Answer with a file that the page or the login page loads; the pages themselves have routes of their own."""
    name = request.match_info["name"]
    if name not in _TYPES or name.endswith((".html", ".json")):
        raise not_found("there is no such file")
    return file_response(request, name)


async def openapi(request: web.Request) -> web.Response:
    """Answer with the description of the JSON routes (OpenAPI 3.1)."""
    return file_response(request, "openapi.json")


def file_response(request: web.Request, name: str) -> web.Response:
    """Return a file, or 304 if the browser already has it."""
    body, tag = _read(name)
    if is_cached(request, tag):
        response = web.Response(status=304, headers=_HEADERS)
    else:
        response = web.Response(body=body, content_type=_TYPES[name], charset="utf-8", headers=_HEADERS)
    response.etag = ETag(tag)
    return response


@cache
def _read(name: str) -> tuple[bytes, str]:
    body = (_STATIC / name).read_bytes()
    return body, hashlib.sha256(body).hexdigest()[:16]
