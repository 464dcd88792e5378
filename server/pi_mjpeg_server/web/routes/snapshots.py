"""Snapshots: a picture taken now, one that is taken and kept, and one that was kept earlier."""

import asyncio
import os
import time
from typing import BinaryIO

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.documents import snapshot_document, snapshots_document
from pi_mjpeg_server.media.scaling import MAX_SIDE, MIN_SIDE, ScalingError, scale_picture
from pi_mjpeg_server.storage.snapshots import SnapshotError
from pi_mjpeg_server.web.errors import not_found, unavailable
from pi_mjpeg_server.web.routes.request import SERVER, is_cached, query_integer, query_number, requested_camera
from pi_mjpeg_server.web.routes.thumbnails import make_in_turn
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_MAX_AGE_MS = 60_000
_CHUNK_BYTES = 64 * 1024
_CACHE = {"Cache-Control": "private, max-age=31536000, immutable"}


async def snapshot(request: web.Request, camera: Camera | None = None) -> web.Response:
    """Answer with a picture taken after the request, or up to `max_age` ms before it; `width` and `height` limit it."""
    camera = camera or requested_camera(request)
    max_age = query_number(request, "max_age", 0, _MAX_AGE_MS) or 0
    width, height = _limits(request)
    frame = await camera.still(time.monotonic() - max_age / 1000)
    try:
        jpeg = await request.app[SERVER].scaler.scale(camera.settings.id, frame, width, height)
    except ScalingError as error:
        raise unavailable("not_scaled", str(error)) from error
    # It may have been switched off while the picture was scaled.
    camera.raise_if_withdrawn(frame)
    return web.Response(
        body=jpeg,
        content_type="image/jpeg",
        headers={"Cache-Control": "no-store", "X-Timestamp": f"{frame.timestamp:.6f}"},
    )


async def keep_snapshot(request: web.Request) -> web.Response:
    """Take a picture now, keep it, and answer with its signed URL."""
    kept = await request.app[SERVER].take_snapshot(requested_camera(request), "http")
    return web.json_response(snapshot_document(kept, request[REQUEST_ORIGIN].base_url), status=201)


async def list_snapshots(request: web.Request) -> web.Response:
    """Answer with the snapshots that are kept of a camera, the newest first."""
    camera, server = requested_camera(request), request.app[SERVER]
    kept = await asyncio.to_thread(server.snapshots.snapshots, camera.settings.id)
    document = snapshots_document(kept, request[REQUEST_ORIGIN].base_url)
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def kept_snapshot(request: web.Request) -> web.StreamResponse:
    """Answer with a kept snapshot, to anybody who has its signed URL; `width` and `height` limit its size."""
    identity = request.match_info["snapshot"]
    width, height = _limits(request)
    try:
        file = await request.app[SERVER].snapshots.open(identity, request.query.get("sig", ""))
    except SnapshotError as error:
        raise unavailable("not_readable", str(error)) from error
    if file is None:
        raise not_found("there is no such snapshot, or its signature is wrong; only the last few are kept")
    with file:
        if width is None and height is None:
            return await _send(request, file, identity)
        tag = f"{identity}-{width}x{height}"
        if is_cached(request, tag):
            response = web.Response(status=304, headers=_CACHE)
        else:
            try:
                small = await make_in_turn(request, lambda: scale_picture(file.read(), width, height))
            except ScalingError as error:
                raise unavailable("not_scaled", str(error)) from error
            except OSError as error:
                raise unavailable("not_readable", f"the snapshot cannot be read: {error.strerror}") from error
            response = web.Response(body=small, content_type="image/jpeg", headers=_CACHE)
        response.etag = tag
        return response


async def _send(request: web.Request, file: BinaryIO, tag: str) -> web.StreamResponse:
    response = web.StreamResponse(headers=_CACHE)
    response.etag = tag
    if is_cached(request, tag):
        response.set_status(304)
        return response
    response.content_type = "image/jpeg"
    response.content_length = os.fstat(file.fileno()).st_size
    await response.prepare(request)
    if request.method != "HEAD":
        # Not aiohttp's FileResponse: its errors are not JSON, and a single picture needs no ranges.
        while chunk := await asyncio.to_thread(file.read, _CHUNK_BYTES):
            await response.write(chunk)
    await response.write_eof()
    return response


def _limits(request: web.Request) -> tuple[int | None, int | None]:
    """Return the width and height that the picture may have, in pixels."""
    return query_integer(request, "width", MIN_SIDE, MAX_SIDE), query_integer(request, "height", MIN_SIDE, MAX_SIDE)
