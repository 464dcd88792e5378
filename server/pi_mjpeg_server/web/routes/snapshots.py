"""Single pictures: one taken now, one kept, one kept earlier."""

import asyncio
import os
import time

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.documents import snapshot_document
from pi_mjpeg_server.media.scaling import MAX_SIDE, MIN_SIDE, ScalingError
from pi_mjpeg_server.storage.snapshots import SnapshotError
from pi_mjpeg_server.web.errors import insufficient_storage, not_found, unavailable
from pi_mjpeg_server.web.routes.request import ORIGIN, SERVER, has_already, number, requested_camera, whole_number

_OLDEST_MS = 60_000
_PIECE = 64 * 1024


async def snapshot(request: web.Request, camera: Camera | None = None) -> web.Response:
    """Answer a picture taken after the request, or up to `max_age` ms older; `width` and `height` bound it."""
    camera = camera or requested_camera(request)
    max_age = number(request, "max_age", 0, _OLDEST_MS) or 0
    width = whole_number(request, "width", MIN_SIDE, MAX_SIDE)
    height = whole_number(request, "height", MIN_SIDE, MAX_SIDE)
    frame = await camera.still(time.monotonic() - max_age / 1000)
    try:
        jpeg = await request.app[SERVER].scaler.scale(camera.settings.id, frame, width, height)
    except ScalingError as error:
        raise unavailable("not_scaled", str(error)) from error
    return web.Response(
        body=jpeg,
        content_type="image/jpeg",
        headers={"Cache-Control": "no-store", "X-Timestamp": f"{frame.timestamp:.6f}"},
    )


async def keep_snapshot(request: web.Request) -> web.Response:
    """Take a picture now, keep it, and answer where it is."""
    camera = requested_camera(request)
    try:
        kept = await request.app[SERVER].take_snapshot(camera, "http")
    except SnapshotError as error:
        raise insufficient_storage(str(error)) from error
    return web.json_response(snapshot_document(kept, request[ORIGIN].base), status=201)


async def kept_snapshot(request: web.Request) -> web.StreamResponse:
    """Answer a kept snapshot to whoever has its signed URL."""
    identity = request.match_info["snapshot"]
    try:
        file = await request.app[SERVER].snapshots.open(identity, request.query.get("sig", ""))
    except SnapshotError as error:
        raise unavailable("not_readable", str(error)) from error
    if file is None:
        raise not_found("there is no such snapshot, or its signature is wrong; only the last few are kept")
    with file:
        response = web.StreamResponse(headers={"Cache-Control": "private, max-age=31536000, immutable"})
        response.etag = identity
        if has_already(request, identity):
            response.set_status(304)
            return response
        response.content_type = "image/jpeg"
        response.content_length = os.fstat(file.fileno()).st_size
        await response.prepare(request)
        if request.method != "HEAD":
            # aiohttp's own FileResponse refuses in words that are no JSON, and one picture needs no ranges.
            while piece := await asyncio.to_thread(file.read, _PIECE):
                await response.write(piece)
        await response.write_eof()
        return response
