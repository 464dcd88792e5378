"""Authentication: the access token as Bearer token, Basic password or session cookie; or a camera's view token."""

import time
from collections.abc import Callable

from aiohttp import web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.web.errors import too_many_attempts, unauthorised
from pi_mjpeg_server.web.security.auth_method import (
    BASIC_CHALLENGE,
    BEARER_CHALLENGE,
    AuthMethod,
    parse_authorization,
)
from pi_mjpeg_server.web.security.connection_slot import CONNECTION_SLOT
from pi_mjpeg_server.web.security.csrf import check_csrf
from pi_mjpeg_server.web.security.ip_addresses import client_network
from pi_mjpeg_server.web.security.proven_clients import ProvenClients
from pi_mjpeg_server.web.security.session_cookie import SessionCookie
from pi_mjpeg_server.web.security.token_throttle import Throttle
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN
from pi_mjpeg_server.web.security.view_session import Session, ViewSession

PUBLIC_ROUTES = frozenset({"healthz", "login", "static", "kept_snapshot", "clip", "identity"})
"""The names of the routes that need no token. The URL of what is kept is signed, which is permission enough."""

AUTH_METHOD = web.RequestKey("auth_method", AuthMethod)
"""What authenticated the request."""
_VIEWING_METHODS = frozenset({"GET", "HEAD"})


class Authenticator:
    """Checks requests against the access token. Without a token (`--no-auth`) every request passes."""

    def __init__(
        self,
        token: AccessToken | None,
        view_tokens: ViewTokens | None = None,
        viewed_camera: Callable[[web.Request], str | None] = lambda _: None,
    ) -> None:
        """Check against `token`, which may be rotated meanwhile.

        `viewed_camera` returns the id of the camera whose picture a request wants, or None if it wants anything else.
        Only for such a request one of the `view_tokens` counts.
        """
        self._token = token
        self._view_tokens = view_tokens
        self._viewed_camera = viewed_camera
        self._throttle = Throttle()
        self._rate_limited_log = RateLimitedLog()
        self.session_cookie = SessionCookie(token)
        self.proven_clients = ProvenClients()

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a request through to a public route, or to any route if it is authenticated.

        Raises 401 (303 to the login page for a browser), 403 for a forged request, and 429 after too many failures.
        """
        slot = request[CONNECTION_SLOT]
        resource = request.match_info.route.resource
        is_public = resource is not None and resource.name in PUBLIC_ROUTES
        credential = None if is_public else self._authenticate(request)
        slot.is_protected = credential is not None
        if is_public:
            return await handler(request)
        if credential is None:
            raise _login_required(request)
        request[AUTH_METHOD] = credential
        try:
            check_csrf(request, credential)
            return await handler(request)
        finally:
            slot.is_protected = credential is not AuthMethod.NOT_NEEDED

    def check_token(self, client_ip: str, token: str) -> bool:
        """Return whether this is the access token. Raises 429 for a wrong one from a client that gave too many.

        The right token is always accepted: others may have the same address, and one of them may be guessing.
        """
        if self._matches(client_ip, token):
            return True
        self._count_failure(client_ip)
        return False

    def _authenticate(self, request: web.Request) -> AuthMethod | None:
        """Return what authenticates the request, or None if nothing does. Raises 429 as `check_token` does.

        One valid credential is enough, whatever else was sent: browsers keep old passwords and old cookies for years.
        """
        if self._token is None:
            return AuthMethod.NOT_NEEDED
        client_ip = request[REQUEST_ORIGIN].client_ip
        authorization = parse_authorization(request.headers.get("Authorization", ""))
        if authorization is not None and self._matches(client_ip, authorization[1]):
            return authorization[0]
        # Cookies are not throttled: they are 256 bits that nobody can guess, and every page left open sends an old one.
        if self.session_cookie.is_valid(request):
            self.proven_clients.add(client_ip, time.monotonic())
            return AuthMethod.COOKIE
        # Nor are view tokens, for the same reasons.
        if self._view_session(request) is not None:
            return AuthMethod.VIEW_TOKEN
        if authorization is not None:
            self._count_failure(client_ip)
        return None

    def session(self, request: web.Request) -> Session:
        """Return what the stream of this request depends on: its view token, or the access token."""
        by_view_token = request.get(AUTH_METHOD) is AuthMethod.VIEW_TOKEN
        return (self._view_session(request) if by_view_token else None) or self.session_cookie

    def _view_session(self, request: web.Request) -> ViewSession | None:
        """Return the view token in the URL, or None if it has none that is valid for what is requested."""
        given = request.query.get("token")
        if given is None or self._view_tokens is None or request.method not in _VIEWING_METHODS:
            return None
        camera = self._viewed_camera(request)
        if camera is None or not self._view_tokens.matches(camera, given):
            return None
        return ViewSession(self._view_tokens, camera)

    def _matches(self, client_ip: str, token: str) -> bool:
        if self._token is None:
            return True
        if not self._token.matches(token):
            return False
        now = time.monotonic()
        self._throttle.succeeded(client_ip, now)
        self.proven_clients.add(client_ip, now)
        return True

    def _count_failure(self, client_ip: str) -> None:
        """Count a wrong token. Raises 429 while the client has to wait."""
        now = time.monotonic()
        wait = self._throttle.wait(client_ip, now)
        if wait:
            raise too_many_attempts(wait)
        self._throttle.failed(client_ip, now)
        if self._throttle.wait(client_ip, now):
            self._rate_limited_log.warn(
                client_network(client_ip), f"{client_ip} gave too many wrong tokens, and has to wait now"
            )


AUTHENTICATOR = web.AppKey("authenticator", Authenticator)


def _login_required(request: web.Request) -> web.HTTPException:
    """Return a redirect to the login page for a browser, and a 401 with what to send for any other client."""
    if request.method == "GET" and request.headers.get("Accept", "").startswith("text/html"):
        # Relative, so that it also holds below the path prefix of a proxy.
        return web.HTTPSeeOther("../" * (request.path.count("/") - 1) + "login")
    # Basic would make a browser ask for a name and password, for a mere script or <img> of the page.
    is_page = "Sec-Fetch-Mode" in request.headers or SessionCookie.is_in(request)
    return unauthorised(
        "this needs the access token, as `Authorization: Bearer` or as the password of Basic; "
        "`pi-mjpeg token` on the server prints it",
        [BEARER_CHALLENGE] if is_page else [BEARER_CHALLENGE, BASIC_CHALLENGE],
    )
