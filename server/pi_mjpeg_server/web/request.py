"""What a handler reads from a request: the station, the camera it is about, its numbers, the address it came to."""

from aiohttp import web

from pi_mjpeg_server.camera import Camera
from pi_mjpeg_server.station import Station
from pi_mjpeg_server.web.errors import bad_request, not_found

STATION = web.AppKey("station", Station)


def requested_camera(request: web.Request) -> Camera:
    """Return the camera named in the path, or the first one where the path names none. Raises 404."""
    station = request.app[STATION]
    camera_id = request.match_info.get("camera")
    if camera_id is None:
        return station.cameras[0]
    camera = station.camera(camera_id)
    if camera is None:
        known = ", ".join(camera.settings.id for camera in station.cameras)
        raise not_found(f"there is no such camera; there is: {known}")
    return camera


def base_url(request: web.Request) -> str:
    """Return scheme, host and port as the client used them, without a slash at the end. Raises 400."""
    try:
        return str(request.url.origin())
    except ValueError as error:
        raise bad_request("the Host header is not a host") from error


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
