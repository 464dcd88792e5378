"""The application: every route in one table, and the middlewares that each request passes first."""

import asyncio
import functools
from collections.abc import Awaitable, Callable
from functools import partial

from aiohttp import web

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.events import EventFeed
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import error_middleware
from pi_mjpeg_server.web.routes import aliases, clips, identity, login, page, snapshots, static_files, view_token
from pi_mjpeg_server.web.routes.aliases import CAMERA
from pi_mjpeg_server.web.routes.controls import focus, patch_camera, patch_controls, restart
from pi_mjpeg_server.web.routes.events import EVENT_FEED, events
from pi_mjpeg_server.web.routes.request import SERVER
from pi_mjpeg_server.web.routes.request_body import MAX_BODY_BYTES, expect_continue
from pi_mjpeg_server.web.routes.stream import stream
from pi_mjpeg_server.web.routes.thumbnails import THUMBNAIL_TURN
from pi_mjpeg_server.web.security.auth import AUTHENTICATOR, Authenticator
from pi_mjpeg_server.web.security.client_rate_limit import ClientRateLimit
from pi_mjpeg_server.web.security.cors import CORS_POLICY, CorsPolicy
from pi_mjpeg_server.web.security.head_limits import head_limits_middleware
from pi_mjpeg_server.web.security.trusted_hosts import TrustedHosts
from pi_mjpeg_server.web.security.trusted_proxies import TrustedProxies
from pi_mjpeg_server.web.security.viewer_limits import VIEWER_LIMITS, ViewerLimits

_DEFAULT_HEADERS = {
    # aiohttp's default tells attackers which versions to look up.
    "Server": "pi-mjpeg",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_application(server: Server, settings: ServerSettings) -> web.Application:
    """Return the application that serves this server as its settings say."""
    authenticator = Authenticator(server.token, server.view_tokens, _viewed_camera_id)
    cors_policy = CorsPolicy(settings.cors_origins)
    application = web.Application(
        # The first is the outermost: it also sees the errors of those after it.
        middlewares=[
            error_middleware,
            head_limits_middleware,
            TrustedProxies(settings.trusted_proxies).middleware,
            TrustedHosts.from_settings(settings).middleware,
            cors_policy.middleware,
            authenticator.middleware,
        ],
        client_max_size=MAX_BODY_BYTES,
    )
    application[SERVER] = server
    application[VIEWER_LIMITS] = ViewerLimits.from_settings(settings)
    application[AUTHENTICATOR] = authenticator
    application[identity.IDENTITY_LIMIT] = ClientRateLimit(authenticator.proven_clients)
    application[THUMBNAIL_TURN] = asyncio.Semaphore()
    application[CORS_POLICY] = cors_policy
    application[EVENT_FEED] = feed = EventFeed(server)
    application.on_shutdown.append(lambda _: feed.close())
    application.on_response_prepare.extend([_add_default_headers, cors_policy.add_headers])
    add = partial(application.router.add_route, expect_handler=expect_continue)
    get = partial(application.router.add_get, expect_handler=expect_continue)
    get("/healthz", page.healthz, name="healthz")
    get("/login", login.login_page, name="login")
    add("POST", "/login", login.log_in, name="login")
    get("/static/{name}", static_files.static, name="static")
    get("/snapshots/{snapshot}.jpg", snapshots.kept_snapshot, name="kept_snapshot")
    get("/clips/{clip}.{kind:mjpeg|bin|jpg}", clips.clip, name="clip")
    get("/api/identity", identity.prove, name="identity")
    # All routes below need the token: only the names in auth.PUBLIC_ROUTES are public.
    get("/", page.index)
    add("POST", "/logout", login.log_out)
    get("/api/state", page.state)
    add("POST", "/api/identity", identity.enrol)
    get("/api/events", events)
    get("/api/openapi.json", static_files.openapi)
    get("/metrics", _metrics)
    add("POST", f"/api/cameras/{CAMERA}/snapshots", snapshots.keep_snapshot)
    get(f"/api/cameras/{CAMERA}/snapshots", snapshots.list_snapshots)
    add("POST", f"/api/cameras/{CAMERA}/clips", clips.record_clip)
    get(f"/api/cameras/{CAMERA}/clips", clips.list_clips)
    add("PATCH", f"/api/cameras/{CAMERA}", patch_camera)
    add("PATCH", f"/api/cameras/{CAMERA}/controls", patch_controls)
    add("POST", f"/api/cameras/{CAMERA}/restart", restart)
    add("POST", f"/api/cameras/{CAMERA}/focus", focus)
    add("POST", f"/api/cameras/{CAMERA}/view_token", view_token.make)
    add("DELETE", f"/api/cameras/{CAMERA}/view_token", view_token.revoke)
    # Those below also take the view token of their camera.
    for paths, handler in (
        (aliases.STREAMS, stream),
        (aliases.STILLS, snapshots.snapshot),
        (aliases.ACTIONS, aliases.answer_action),
    ):
        for path in paths:
            get(path, handler)
    return application


def _viewed_camera_id(request: web.Request) -> str | None:
    camera = aliases.viewed_camera(request)
    return None if camera is None else camera.settings.id


async def _metrics(request: web.Request) -> web.Response:
    """Import what it needs in a thread, at the first request: most servers are never asked for metrics.

    Later requests do not wait for a thread, or several would be answered in one iteration of the event loop.
    """
    if not _import_metrics.cache_info().currsize:
        await asyncio.to_thread(_import_metrics)
    return await _import_metrics()(request)


@functools.cache
def _import_metrics() -> Callable[[web.Request], Awaitable[web.Response]]:
    from pi_mjpeg_server.web.routes.metrics import metrics  # noqa: PLC0415

    return metrics


async def _add_default_headers(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_DEFAULT_HEADERS)
