"""The lock: who knows the token may pass, by header, by Basic password or by the page's cookie."""

import base64
import binascii
import hmac
import time
from enum import Enum

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.web.errors import cross_origin, too_many_tries, unauthorised
from pi_mjpeg_server.web.routes.request import ORIGIN
from pi_mjpeg_server.web.security.client_ip import network
from pi_mjpeg_server.web.security.cors import CORS_POLICY
from pi_mjpeg_server.web.security.proxy_headers import RequestOrigin
from pi_mjpeg_server.web.security.throttle import Throttle

COOKIE = "pi_mjpeg_session"
PUBLIC = frozenset({"healthz", "login", "static", "kept_snapshot"})
"""The names of the routes that need no token. A kept snapshot's URL is signed: it carries its own permission."""

_BEARER = 'Bearer realm="pi-mjpeg"'
_BASIC = 'Basic realm="pi-mjpeg", charset="UTF-8"'
_READING = frozenset({"GET", "HEAD", "OPTIONS"})
_MAX_LOGIN = 30 * 24 * 3600
_SESSION = "pi_mjpeg session"


class Credential(Enum):
    """How a request shows that it may pass. Only a header is never sent by a browser on its own."""

    HEADER = "bearer"
    BASIC = "basic"
    COOKIE = "cookie"
    OPEN = "open to all"


class Authenticator:
    """Checks requests against a token; without one (`--no-auth`) it lets everybody pass."""

    def __init__(self, token: AccessToken | None) -> None:
        """Authenticator with this token."""
        self._token = token
        self._throttle = Throttle()
        self._rate_limited_log = RateLimitedLog()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request pass to its route when the route is public or the request proves that it may."""
        resource = request.match_info.route.resource
        public = resource is not None and resource.name in PUBLIC
        if not public:
            proof = self._proof(request)
            if proof is None:
                raise _refusal(request)
            # An invited page may do where all may; with somebody's cookie or Basic password it acts in their name.
            welcome = proof is Credential.OPEN and request.app[CORS_POLICY].allows(request)
            if request.method not in _READING and not welcome:
                refuse_other_origins(request, proof)
        return await handler(request)

    def check(self, address: str, given: str) -> bool:
        """Tell whether somebody at `address` knows the token. Raises 429 for one who guessed too often."""
        if self._token is None:
            return True
        now = time.monotonic()
        wait = self._throttle.wait(address, now)
        if wait:
            raise too_many_tries(wait)
        if self._token.matches(given):
            self._throttle.right(address)
            return True
        self._throttle.wrong(address, now)
        if self._throttle.wait(address, now):
            self._rate_limited_log.warn(network(address), f"{address} gave too many wrong tokens, and has to wait now")
        return False

    def log_in(self, response: web.StreamResponse, peer: RequestOrigin) -> None:
        """Give a browser the cookie by which it may pass: not the token, and worthless once that is rotated."""
        response.set_cookie(
            COOKIE,
            self.session(),
            max_age=_MAX_LOGIN,
            path=f"{peer.prefix}/",
            secure=peer.scheme == "https",
            httponly=True,
            samesite="Lax",
        )

    def log_out(self, response: web.StreamResponse, peer: RequestOrigin) -> None:
        """Take the cookie back."""
        response.del_cookie(COOKIE, path=f"{peer.prefix}/")

    def _proof(self, request: web.Request) -> Credential | None:
        if self._token is None:
            return Credential.OPEN
        header = request.headers.get("Authorization")
        if header is not None:
            scheme, _, rest = header.partition(" ")
            basic = scheme.lower() == "basic"
            given = _password(rest) if basic else rest.strip()
            if (basic or scheme.lower() == "bearer") and self.check(request[ORIGIN].address, given):
                return Credential.BASIC if basic else Credential.HEADER
        # A cookie is 256 bits that nobody can guess, and an old one is sent by every page left open: it costs no wait.
        cookie = request.cookies.get(COOKIE, "")
        if cookie and hmac.compare_digest(self.session().encode(), cookie.encode(errors="replace")):
            return Credential.COOKIE
        return None

    def session(self) -> str:
        """Return what is another one when the token is rotated, and tells nothing of it."""
        return self._token.key(_SESSION).hex() if self._token else ""


def refuse_other_origins(request: web.Request, proof: Credential) -> None:
    """Raise 403 when a page of another site may have made a browser send this.

    Browsers tell the page's origin with everything that changes something (Origin), and over TLS how it relates to
    ours (Sec-Fetch-Site); what has neither comes from no browser, so a cookie with neither is suspect.
    """
    if proof is Credential.HEADER:
        return
    origin = request.headers.get("Origin")
    relation = request.headers.get("Sec-Fetch-Site")
    if relation is not None:
        fine = relation in {"same-origin", "none"}
    elif origin is not None:
        fine = origin == request[ORIGIN].origin
    else:
        fine = proof is not Credential.COOKIE
    if not fine:
        raise cross_origin(
            "a page of another origin may not do this; behind a proxy, name it in trusted_proxies in [server]"
        )


def _refusal(request: web.Request) -> web.HTTPException:
    """Send a person to the login page, and tell a program what to send."""
    if request.method == "GET" and request.headers.get("Accept", "").startswith("text/html"):
        # Relative, so that it holds below whatever path a proxy serves us.
        return web.HTTPSeeOther("../" * (request.path.count("/") - 1) + "login")
    # A script or an <img> of our page must not make the browser ask for a name and password.
    challenges = [_BEARER] if "Sec-Fetch-Mode" in request.headers or COOKIE in request.cookies else [_BEARER, _BASIC]
    return unauthorised(
        "this needs the access token, as `Authorization: Bearer` or as the password of Basic; "
        "`pi-mjpeg token` on the server prints it",
        challenges,
    )


def _password(encoded: str) -> str:
    """Return the password of Basic credentials (RFC 7617), or nothing when they are none."""
    try:
        return base64.b64decode(encoded.strip(), validate=True).decode().partition(":")[2]
    except (binascii.Error, ValueError):
        return ""
