"""Every route in one table."""

from aiohttp import web

from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web import page, stills
from pi_mjpeg_server.web.controls import patch_controls
from pi_mjpeg_server.web.errors import errors
from pi_mjpeg_server.web.request import STATION
from pi_mjpeg_server.web.stream import stream

_CAMERA = "{camera:[a-z0-9_]{1,64}}"
_LARGEST_BODY = 64 * 1024


def make_application(station: Station) -> web.Application:
    """Return the application that serves this station."""
    application = web.Application(middlewares=[errors], client_max_size=_LARGEST_BODY)
    application[STATION] = station
    application.router.add_get("/", page.index)
    application.router.add_get("/static/{name}", page.static)
    application.router.add_get("/healthz", page.healthz)
    application.router.add_get("/api/state", page.state)
    application.router.add_get(f"/cameras/{_CAMERA}/stream", stream)
    application.router.add_get(f"/cameras/{_CAMERA}/snapshot.jpg", stills.snapshot)
    application.router.add_post(f"/api/cameras/{_CAMERA}/snapshots", stills.keep_snapshot)
    application.router.add_patch(f"/api/cameras/{_CAMERA}/controls", patch_controls)
    application.router.add_get("/snapshots/{snapshot}.jpg", stills.kept_snapshot)
    application.router.add_get("/stream", stream)
    application.router.add_get("/video_feed", stream)
    application.router.add_get("/snapshot.jpg", stills.snapshot)
    return application
