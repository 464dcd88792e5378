"""Protection against cross-site request forgery: web pages of other sites cannot act with a browser's credentials."""

from aiohttp import web

from pi_mjpeg_server.web.errors import cross_origin
from pi_mjpeg_server.web.security.auth_method import AuthMethod
from pi_mjpeg_server.web.security.cors import CORS_POLICY
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def check_csrf(request: web.Request, credential: AuthMethod) -> None:
    """Raise 403 when the request changes something and a page of another site may have sent it.

    On a server that needs no token, pages of an allowed origin (CORS) may send such a request. With the user's cookie
    or Basic password they may not: they would act in the user's name.
    """
    allowed = credential is AuthMethod.NOT_NEEDED and request.app[CORS_POLICY].allows(request)
    if request.method not in _SAFE_METHODS and not allowed:
        refuse_other_origins(request, credential)


def refuse_other_origins(request: web.Request, credential: AuthMethod) -> None:
    """Raise 403 when a page of another site may have made the browser send this request.

    With every request that changes something, browsers send the origin of the page (Origin), and over TLS also how it
    relates to this server (Sec-Fetch-Site). A request without either does not come from a browser, so one that has a
    cookie nevertheless is refused.
    """
    if credential is AuthMethod.BEARER:
        return
    origin = request.headers.get("Origin")
    relation = request.headers.get("Sec-Fetch-Site")
    if relation is not None:
        is_same_origin = relation in {"same-origin", "none"}
    elif origin is not None:
        is_same_origin = origin == request[REQUEST_ORIGIN].origin
    else:
        is_same_origin = credential is not AuthMethod.COOKIE
    if not is_same_origin:
        raise cross_origin(
            "a page of another origin may not do this; behind a proxy, name it in trusted_proxies in [server]"
        )
