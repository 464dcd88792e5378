"""Every route in one table, and what every request passes on its way there."""

from collections.abc import Collection
from functools import partial

from aiohttp import web

from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web import files, login, page, stills
from pi_mjpeg_server.web.auth import Lock
from pi_mjpeg_server.web.controls import patch_controls, restart
from pi_mjpeg_server.web.cors import GUESTS, Guests
from pi_mjpeg_server.web.errors import errors
from pi_mjpeg_server.web.limits import Limits
from pi_mjpeg_server.web.login import LOCK
from pi_mjpeg_server.web.metrics import metrics
from pi_mjpeg_server.web.peer import Reception
from pi_mjpeg_server.web.request import LARGEST_BODY, RECEPTION, STATION, expect, peers
from pi_mjpeg_server.web.stream import LIMITS, stream

_CAMERA = "{camera:[a-z0-9_]{1,64}}"
_ON_EVERY_ANSWER = {
    # aiohttp's own tells strangers which versions to look up.
    "Server": "pi-mjpeg",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def make_application(
    station: Station, limits: Limits, reception: Reception, cors_origins: Collection[str] = ()
) -> web.Application:
    """Return the application that serves this station, and the scripts of these origins too."""
    lock = Lock(station.token)
    guests = Guests(cors_origins)
    application = web.Application(
        middlewares=[errors, peers, guests.middleware, lock.middleware], client_max_size=LARGEST_BODY
    )
    application[STATION] = station
    application[LIMITS] = limits
    application[RECEPTION] = reception
    application[LOCK] = lock
    application[GUESTS] = guests
    application.on_response_prepare.extend([_label, guests.label])
    add = partial(application.router.add_route, expect_handler=expect)
    get = partial(application.router.add_get, expect_handler=expect)
    get("/healthz", page.healthz, name="healthz")
    get("/login", login.login_page, name="login")
    add("POST", "/login", login.log_in, name="login")
    get("/static/{name}", files.static, name="static")
    get("/snapshots/{snapshot}.jpg", stills.kept_snapshot, name="kept_snapshot")
    # All below need the token: only names that auth.PUBLIC lists are public.
    get("/", page.index)
    add("POST", "/logout", login.log_out)
    get("/api/state", page.state)
    get("/api/openapi.json", files.openapi)
    get("/metrics", metrics)
    get(f"/cameras/{_CAMERA}/stream", stream)
    get(f"/cameras/{_CAMERA}/snapshot.jpg", stills.snapshot)
    add("POST", f"/api/cameras/{_CAMERA}/snapshots", stills.keep_snapshot)
    add("PATCH", f"/api/cameras/{_CAMERA}/controls", patch_controls)
    add("POST", f"/api/cameras/{_CAMERA}/restart", restart)
    get("/stream", stream)
    get("/video_feed", stream)
    get("/snapshot.jpg", stills.snapshot)
    return application


async def _label(_: web.Request, response: web.StreamResponse) -> None:
    response.headers.update(_ON_EVERY_ANSWER)
