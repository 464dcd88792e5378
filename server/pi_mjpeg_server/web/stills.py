"""Single pictures: one taken now, one kept, one kept earlier."""

import time

from aiohttp import web

from pi_mjpeg_server.documents import snapshot_document
from pi_mjpeg_server.scaling import LARGEST, SMALLEST, ScalingError
from pi_mjpeg_server.snapshots import SnapshotError
from pi_mjpeg_server.web.errors import insufficient_storage, not_found, not_scaled
from pi_mjpeg_server.web.request import PEER, STATION, number, requested_camera, whole_number

_OLDEST_MS = 60_000


async def snapshot(request: web.Request) -> web.Response:
    """Answer a picture taken after the request, or up to `max_age` ms older; `width` and `height` bound it."""
    camera = requested_camera(request)
    max_age = number(request, "max_age", 0, _OLDEST_MS) or 0
    width = whole_number(request, "width", SMALLEST, LARGEST)
    height = whole_number(request, "height", SMALLEST, LARGEST)
    frame = await camera.still(time.monotonic() - max_age / 1000)
    try:
        jpeg = await request.app[STATION].scaler.scaled(camera.settings.id, frame, width, height)
    except ScalingError as error:
        raise not_scaled(str(error)) from error
    return web.Response(
        body=jpeg,
        content_type="image/jpeg",
        headers={"Cache-Control": "no-store", "X-Timestamp": f"{frame.timestamp:.6f}"},
    )


async def keep_snapshot(request: web.Request) -> web.Response:
    """Take a picture now, keep it, and answer where it is."""
    camera = requested_camera(request)
    try:
        kept = await request.app[STATION].take_snapshot(camera, "http")
    except SnapshotError as error:
        raise insufficient_storage(str(error)) from error
    return web.json_response(snapshot_document(kept, request[PEER].base), status=201)


async def kept_snapshot(request: web.Request) -> web.FileResponse:
    """Answer a kept snapshot to whoever has its signed URL."""
    store = request.app[STATION].snapshots
    path = store.find(request.match_info["snapshot"], request.query.get("sig", ""))
    if path is None:
        raise not_found("there is no such snapshot, or its signature is wrong; only the last few are kept")
    return web.FileResponse(path, headers={"Cache-Control": "private, max-age=31536000, immutable"})
