"""Every route in one table, and what every request passes on its way there."""

from collections.abc import Collection
from functools import partial

from aiohttp import web

from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import errors
from pi_mjpeg_server.web.routes import login, page, snapshots, static_files
from pi_mjpeg_server.web.routes.controls import patch_controls, restart
from pi_mjpeg_server.web.routes.login import AUTHENTICATOR
from pi_mjpeg_server.web.routes.metrics import metrics
from pi_mjpeg_server.web.routes.request import MAX_BODY_BYTES, SERVER, TRUSTED_HOSTS, expect, peers
from pi_mjpeg_server.web.routes.stream import LIMITS, stream
from pi_mjpeg_server.web.security.auth import Authenticator
from pi_mjpeg_server.web.security.cors import CORS_POLICY, CorsPolicy
from pi_mjpeg_server.web.security.proxy_headers import TrustedHosts
from pi_mjpeg_server.web.security.viewer_limits import Limits

_CAMERA = "{camera:[a-z0-9_]{1,64}}"
_ON_EVERY_ANSWER = {
    # aiohttp's own tells strangers which versions to look up.
    "Server": "pi-mjpeg",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_application(
    server: Server, limits: Limits, trusted_hosts: TrustedHosts, cors_origins: Collection[str] = ()
) -> web.Application:
    """Return the application that serves this server, and the scripts of these origins too."""
    lock = Authenticator(server.token)
    cors_policy = CorsPolicy(cors_origins)
    application = web.Application(
        middlewares=[errors, peers, cors_policy.middleware, lock.middleware], client_max_size=MAX_BODY_BYTES
    )
    application[SERVER] = server
    application[LIMITS] = limits
    application[TRUSTED_HOSTS] = trusted_hosts
    application[AUTHENTICATOR] = lock
    application[CORS_POLICY] = cors_policy
    application.on_response_prepare.extend([_label, cors_policy.label])
    add = partial(application.router.add_route, expect_handler=expect)
    get = partial(application.router.add_get, expect_handler=expect)
    get("/healthz", page.healthz, name="healthz")
    get("/login", login.login_page, name="login")
    add("POST", "/login", login.log_in, name="login")
    get("/static/{name}", static_files.static, name="static")
    get("/snapshots/{snapshot}.jpg", snapshots.kept_snapshot, name="kept_snapshot")
    # All below need the token: only names that auth.PUBLIC lists are public.
    get("/", page.index)
    add("POST", "/logout", login.log_out)
    get("/api/state", page.state)
    get("/api/openapi.json", static_files.openapi)
    get("/metrics", metrics)
    get(f"/cameras/{_CAMERA}/stream", stream)
    get(f"/cameras/{_CAMERA}/snapshot.jpg", snapshots.snapshot)
    add("POST", f"/api/cameras/{_CAMERA}/snapshots", snapshots.keep_snapshot)
    add("PATCH", f"/api/cameras/{_CAMERA}/controls", patch_controls)
    add("POST", f"/api/cameras/{_CAMERA}/restart", restart)
    get("/stream", stream)
    get("/video_feed", stream)
    get("/snapshot.jpg", snapshots.snapshot)
    return application


async def _label(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_ON_EVERY_ANSWER)
