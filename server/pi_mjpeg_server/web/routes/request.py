"""What a handler reads from a request: the server, who asks, the camera it is about, its numbers, its body."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import HttpVersion11, web
from aiohttp.typedefs import Handler

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import (
    bad_request,
    misdirected,
    not_found,
    timed_out,
    too_large,
    unexpected,
    unmeasured,
    unsupported,
)
from pi_mjpeg_server.web.security.client_ip import plain
from pi_mjpeg_server.web.security.proxy_headers import RequestOrigin, RequestOriginError, TrustedHosts, UnknownHostError

SERVER = web.AppKey("server", Server)
TRUSTED_HOSTS = web.AppKey("trusted_hosts", TrustedHosts)
ORIGIN = web.RequestKey("peer", RequestOrigin)

MAX_BODY_BYTES = 16 * 1024
"""Bytes; the largest body that means something names all controls of a camera."""

BODY_TIMEOUT = 10.0
"""Seconds in which a body has to be there whole."""

_MAX_FIELDS = 8


@web.middleware
async def peers(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Find out who asks, and refuse who meant another server. Raises 400 or 421."""
    sockname = request.get_extra_info("sockname")
    host, port = sockname[:2] if sockname else ("localhost", 80)
    host = plain(host)
    local = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    scheme = "https" if request.secure else "http"
    try:
        peer = request.app[TRUSTED_HOSTS].peer(request.remote or "unknown", scheme, local, request.headers)
    except UnknownHostError as error:
        raise misdirected(
            f"this server does not go by the name {error}: use its address, or add the name to hosts in [server]"
        ) from error
    except RequestOriginError as error:
        raise bad_request(str(error)) from error
    request[ORIGIN] = peer
    return await handler(request)


async def expect(request: web.Request) -> None:
    """Tell a client that waits with its body to go on. Raises 417, in words of ours: aiohttp's quote the header."""
    if request.version < HttpVersion11:
        return  # it does not know the word
    if request.headers.get("Expect", "").lower() != "100-continue":
        raise unexpected()
    await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    # The answer itself has not begun.
    request.writer.output_size = 0


def requested_camera(request: web.Request) -> Camera:
    """Return the camera named in the path, or the first one where the path names none. Raises 404."""
    server = request.app[SERVER]
    camera_id = request.match_info.get("camera")
    if camera_id is None:
        return server.cameras[0]
    camera = server.camera(camera_id)
    if camera is None:
        known = ", ".join(camera.settings.id for camera in server.cameras)
        raise not_found(f"there is no such camera; there is: {known}")
    return camera


async def form(request: web.Request) -> Mapping[str, str]:
    """Return the fields of a form as browsers send it. Raises 400, 408, 411, 413 or 415."""
    # aiohttp parses the whole header as e-mail does: four kilobytes of quotes take it half a second.
    kind = request.headers.get("Content-Type", "").partition(";")[0]
    if kind.strip().lower() != "application/x-www-form-urlencoded":
        raise unsupported("the body has to be application/x-www-form-urlencoded")
    text = await body(request)
    try:
        fields = parse_qsl(text.decode(), max_num_fields=_MAX_FIELDS)
    except ValueError as error:
        raise bad_request("the body is no form") from error
    return dict(fields)


async def body(request: web.Request) -> bytes:
    """Return the whole body, bounded in size and time. Raises 400, 408, 411, 413 or 415."""
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise unsupported("the body has to come as it is: a compressed one may be far larger than what was sent")
    if request.can_read_body and request.content_length is None:
        raise unmeasured()
    try:
        async with asyncio.timeout(BODY_TIMEOUT):
            return await request.read()
    except TimeoutError as error:
        raise timed_out(f"the body did not come within {BODY_TIMEOUT:.0f} s") from error
    except web.HTTPRequestEntityTooLarge as error:
        raise too_large(MAX_BODY_BYTES) from error
    except (web.PayloadAccessError, web.RequestPayloadError) as error:
        raise bad_request("the body is cut off or badly encoded") from error


def has_already(request: web.Request, tag: str) -> bool:
    """Tell whether the client says (If-None-Match) that it has what this entity tag names, so that 304 will do."""
    return any(etag.value in {tag, "*"} for etag in request.if_none_match or ())


def number(request: web.Request, key: str, lowest: float, highest: float) -> float | None:
    """Return the number given for `key`, or `None` when it is left out. Raises 400 when it is none or out of range."""
    text = request.query.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise bad_request(f"{key} has to be a number from {lowest:g} to {highest:g}")
    return value


def whole_number(request: web.Request, key: str, lowest: int, highest: int) -> int | None:
    """Return the whole number given for `key`, or `None`. Raises 400."""
    value = number(request, key, lowest, highest)
    if value is None:
        return None
    if not value.is_integer():
        raise bad_request(f"{key} has to be a whole number")
    return int(value)
