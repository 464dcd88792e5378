"""Clips: record one, list those that are kept, and send one as a stream, as a file or as a thumbnail."""

import asyncio

from aiohttp import web

from pi_mjpeg_server.documents import SCHEMA, clip_document, clips_document
from pi_mjpeg_server.recording.request import clip_request
from pi_mjpeg_server.storage.clip import ClipError
from pi_mjpeg_server.web.errors import not_found, unavailable
from pi_mjpeg_server.web.routes.byte_ranges import send_file
from pi_mjpeg_server.web.routes.clip_replay import replay
from pi_mjpeg_server.web.routes.request import SERVER, is_cached, requested_camera
from pi_mjpeg_server.web.routes.request_body import read_object
from pi_mjpeg_server.web.routes.thumbnails import make_in_turn
from pi_mjpeg_server.web.security.trusted_proxies import REQUEST_ORIGIN

_CACHE = {"Cache-Control": "private, max-age=31536000, immutable"}


async def record_clip(request: web.Request) -> web.Response:
    """Record a clip, as the body `{"before": 5, "after": 10}` says, and answer with it when it is whole."""
    camera = requested_camera(request)
    asked = clip_request(await read_object(request, "seconds", '{"before": 5, "after": 10}', may_be_empty=True))
    server = request.app[SERVER]
    clip = await server.record_clip(camera, asked, "http")
    document = {"schema": SCHEMA, **clip_document(server, clip, request[REQUEST_ORIGIN].base_url)}
    return web.json_response(document, status=201)


async def list_clips(request: web.Request) -> web.Response:
    """Answer with the clips that are kept of a camera, the newest first."""
    camera, server = requested_camera(request), request.app[SERVER]
    clips = await asyncio.to_thread(server.clips.clips, camera.settings.id)
    document = clips_document(server, clips, request[REQUEST_ORIGIN].base_url)
    return web.json_response(document, headers={"Cache-Control": "no-store"})


async def clip(request: web.Request) -> web.StreamResponse:
    """Answer with a kept clip, to anybody who has its signed URL: `.mjpeg` at its own pace, `.bin` whole, or `.jpg`."""
    clips = request.app[SERVER].clips
    identity, kind = request.match_info["clip"], request.match_info["kind"]
    signature = request.query.get("sig", "")
    if not clips.is_signed(identity, kind, signature):
        raise _no_clip()
    try:
        if kind == "jpg":
            return await _thumbnail(request, identity)
        file = await asyncio.to_thread(clips.open, identity)
    except ClipError as error:
        raise unavailable("not_readable", str(error)) from error
    if file is None:
        raise _no_clip()
    with file:
        if kind == "mjpeg":
            return await replay(request, file, lambda: clips.is_signed(identity, kind, signature))
        name = f'attachment; filename="{identity}.mjpeg"'
        return await send_file(
            request, file, identity, {**_CACHE, "Content-Type": "application/octet-stream", "Content-Disposition": name}
        )


async def _thumbnail(request: web.Request, identity: str) -> web.StreamResponse:
    if is_cached(request, identity):
        response = web.Response(status=304, headers=_CACHE)
    else:
        clips = request.app[SERVER].clips
        thumbnail = await make_in_turn(request, lambda: clips.thumbnail(identity))
        if thumbnail is None:
            raise _no_clip()
        response = web.Response(body=thumbnail, content_type="image/jpeg", headers=_CACHE)
    response.etag = identity
    return response


def _no_clip() -> web.HTTPNotFound:
    return not_found("there is no such clip, or its signature is wrong; only the newest are kept")
