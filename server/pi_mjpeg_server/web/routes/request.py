"""What handlers read from a request: the server, the camera, numbers in the query, and the client's cached version."""

from aiohttp import web

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.web.errors import bad_request, not_found

_BROWSER_FORMATS = ("image/avif", "image/webp", "image/apng", "image/svg+xml", "application/xhtml+xml")

SERVER = web.AppKey("server", Server)


def requested_camera(request: web.Request) -> Camera:
    """Return the camera named in the path, or the first camera if the path names none. Raises 404."""
    server = request.app[SERVER]
    camera_id = request.match_info.get("camera")
    if camera_id is None:
        return server.cameras[0]
    camera = server.camera(camera_id)
    if camera is None:
        known = ", ".join(camera.settings.id for camera in server.cameras)
        raise not_found(f"there is no such camera; there is: {known}")
    return camera


def query_number(request: web.Request, key: str, lowest: float, highest: float) -> float | None:
    """Return the number given for `key`, or None if there is none. Raises 400 for anything else, or out of range."""
    text = request.query.get(key)
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not lowest <= value <= highest:
        raise bad_request(f"{key} has to be a number from {lowest:.12g} to {highest:.12g}")
    return value


def query_integer(request: web.Request, key: str, lowest: int, highest: int) -> int | None:
    """Return the whole number given for `key`, or None if there is none. Raises 400 as `query_number` does."""
    value = query_number(request, key, lowest, highest)
    if value is None:
        return None
    if not value.is_integer():
        raise bad_request(f"{key} has to be a whole number")
    return int(value)


def query_flag(request: web.Request, key: str) -> bool:
    """Return whether `key` is 1 or true, not 0 or false; it need not be given. Raises 400 for anything else."""
    text = request.query.get(key, "0").lower()
    if text not in {"1", "0", "true", "false"}:
        raise bad_request(f"{key} has to be 1 or 0")
    return text in {"1", "true"}


def is_browser(request: web.Request) -> bool:
    """Return whether a browser asks for the picture: it names formats that a mere MJPEG client does not know.

    Programs send `image/*` or `image/jpeg`, and Java's `text/html` too. In a page, Chromium, Firefox and Safari name
    one of the image formats. In a tab of its own, where Safari names no image, they all name XHTML.
    """
    return any(name in request.headers.get("Accept", "") for name in _BROWSER_FORMATS)


def is_cached(request: web.Request, tag: str) -> bool:
    """Return whether the client already has the version with this entity tag (If-None-Match), so that 304 will do."""
    return any(etag.value in {tag, "*"} for etag in request.if_none_match or ())
