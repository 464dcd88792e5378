"""Snapshots: a picture taken now, one that is taken and kept, and one that was kept earlier."""

import asyncio
import os
import time
from collections.abc import Mapping
from typing import BinaryIO

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.documents import full_snapshot_document, rounded_gap, snapshot_document, snapshots_document
from pi_mjpeg_server.media.jpeg import JpegError, upright_size
from pi_mjpeg_server.media.scaling import MAX_SIDE, MIN_SIDE, ScalingError, scale_picture
from pi_mjpeg_server.storage.snapshots import SnapshotError
from pi_mjpeg_server.web.errors import bad_request, not_found, unavailable
from pi_mjpeg_server.web.routes.request import (
    SERVER,
    is_cached,
    query_flag,
    query_integer,
    query_number,
    requested_camera,
)
from pi_mjpeg_server.web.routes.request_body import read_object
from pi_mjpeg_server.web.routes.thumbnails import make_in_turn
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_MAX_AGE_MS = 60_000
_CHUNK_BYTES = 64 * 1024
_CACHE = {"Cache-Control": "private, max-age=31536000, immutable"}


async def snapshot(request: web.Request, camera: Camera | None = None) -> web.Response:
    """Answer with a picture taken after the request, or up to `max_age` ms before it; `width` and `height` limit it.

    With `full` it has the largest size of the camera, for which the live picture is interrupted.
    """
    camera = camera or requested_camera(request)
    max_age = query_number(request, "max_age", 0, _MAX_AGE_MS) or 0
    width, height = _limits(request)
    headers = {"Cache-Control": "no-store"}
    full = query_flag(request, "full")
    if full:
        if "max_age" in request.query:
            raise bad_request("full takes a picture now, so it goes without max_age")
        still = await camera.full_stills.take()
        frame = still.frame
        headers["X-Gap"] = f"{rounded_gap(still.gap):g}"
    else:
        frame = await camera.still(time.monotonic() - max_age / 1000)
    try:
        jpeg = await request.app[SERVER].scaler.scale(camera.settings.id, frame, width, height)
        if full:
            headers["X-Width"], headers["X-Height"] = map(str, upright_size(jpeg))
    except (ScalingError, JpegError) as error:
        raise unavailable("not_scaled", str(error)) from error
    # It may have been switched off while the picture was scaled.
    camera.raise_if_withdrawn(frame)
    headers["X-Timestamp"] = f"{frame.timestamp:.6f}"
    return web.Response(body=jpeg, content_type="image/jpeg", headers=headers)


async def keep_snapshot(request: web.Request) -> web.Response:
    """Take a picture now, keep it, and answer with its signed URL. The body `{"full": true}` is for the full size."""
    camera = requested_camera(request)
    wanted = await read_object(request, "options", '{"full": true}', may_be_empty=True)
    server, base = request.app[SERVER], request[REQUEST_ORIGIN].base_url
    if _is_full(wanted):
        document = full_snapshot_document(*await server.take_full_snapshot(camera, "http"), base)
    else:
        document = snapshot_document(await server.take_snapshot(camera, "http"), base)
    return web.json_response(document, status=201)


def _is_full(wanted: Mapping[str, object]) -> bool:
    """Return whether the full size is wanted. Raises 400 for anything else than `{"full": true}` or false."""
    if unknown := next((name for name in wanted if name != "full"), None):
        raise bad_request(f"a snapshot has no {unknown[:64]!a}; it has: full")
    full = wanted.get("full", False)
    if not isinstance(full, bool):
        raise bad_request("full has to be true or false")
    return full


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
