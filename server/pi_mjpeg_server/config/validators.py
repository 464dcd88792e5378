"""What each key of the configuration may hold.

A validator returns the value as the server uses it, or raises `ValueError` with the end of a sentence that begins with
the key's name, such as "has to be true or false".
"""

import contextlib
import ipaddress
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

_ID = re.compile(r"[a-z0-9_]{1,64}")
_TOPIC_LEVEL = re.compile(r"[A-Za-z0-9_./-]{1,128}")
_HOST_NAME = re.compile(r"[A-Za-z0-9._-]{1,253}")
_ORIGIN = re.compile(r"https?://(?:[a-z0-9._-]{1,253}|\[[0-9a-f:.]{2,45}\])(?::[1-9][0-9]{0,4})?")
_DEFAULT_PORT = re.compile(r"http:.*:80|https:.*:443")
_MAX_TEXT = 200
_MAX_LIST = 32
_MAX_VIEWERS = 1000
_MAX_PREROLL = 60
_MAX_REGIONS = 16
_SMALLEST_SIDE = 0.001
_MAX_SENSOR_SIDE = 65535

Validator = Callable[[object], Any]


def text(value: object) -> str:
    """Accept a line of text of a sensible length, without control characters."""
    if not isinstance(value, str) or not value or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"has to be a text of 1 to {_MAX_TEXT} printable characters in quotes")
    return value


def camera_id(value: object) -> str:
    """Accept what may stand in a URL and in an MQTT topic."""
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise ValueError("has to be made of a-z, 0-9 and _ (at most 64)")
    return value


def topic_prefix(value: object) -> str:
    """Accept an MQTT topic without wildcards."""
    if not isinstance(value, str) or not _TOPIC_LEVEL.fullmatch(value):
        raise ValueError("has to be a topic made of letters, digits, _ - . and /")
    return value


def integer(lowest: int, highest: int) -> Callable[[object], int]:
    """Return a validator of whole numbers. A bool is not one, although it is an `int` in Python."""

    def check(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            raise ValueError(f"has to be a whole number from {lowest} to {highest}")
        return value

    return check


def whole_number(lowest: int, highest: int) -> Callable[[object], int]:
    """Return a validator of whole numbers that takes 50.0 for 50, as JSON does (RFC 8259, 6)."""
    check = integer(lowest, highest)
    return lambda value: check(int(value) if isinstance(value, float) and value.is_integer() else value)


def number(lowest: float, highest: float) -> Callable[[object], float]:
    """Return a validator of numbers."""

    def check(value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not lowest <= value <= highest:
            raise ValueError(f"has to be a number from {lowest:.12g} to {highest:.12g}")
        return value

    return check


def one_of(*choices: object) -> Validator:
    """Return a validator of one of a few values."""

    def check(value: object) -> object:
        if isinstance(value, bool) or value not in choices:
            raise ValueError("has to be one of: " + ", ".join(str(choice) for choice in choices))
        return value

    return check


def boolean(value: object) -> bool:
    """Accept true or false."""
    if not isinstance(value, bool):
        raise ValueError("has to be true or false")  # noqa: TRY004  (all validators raise ValueError)
    return value


def size(value: object) -> tuple[int, int]:
    """Accept [width, height] in pixels. Both have to be even, because the encoders subsample colours (4:2:0)."""
    if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004  (width and height)
        width, height = value
        side = integer(16, 8192)
        try:
            pair = side(width), side(height)
        except ValueError:
            pair = (1, 1)
        if pair[0] % 2 == 0 and pair[1] % 2 == 0:
            return pair
    raise ValueError("has to be [width, height] in pixels, both even and from 16 to 8192")


def sensor_mode(value: object) -> tuple[int, int]:
    """Accept [width, height] in pixels, as libcamera lists the modes of a sensor."""
    if isinstance(value, list | tuple) and len(value) == 2:  # noqa: PLR2004  (width and height)
        side = integer(1, _MAX_SENSOR_SIDE)
        with contextlib.suppress(ValueError):
            return side(value[0]), side(value[1])
    raise ValueError(
        f"has to be [width, height] of a mode of the sensor, whole numbers from 1 to {_MAX_SENSOR_SIDE}; "
        "`rpicam-hello --list-cameras` lists the modes"
    )


def url(value: object) -> str:
    """Accept an http or https URL without user name, query and fragment. Return it without a slash at the end."""
    address = text(value)
    try:
        parts = urlsplit(address)
        usable = (
            parts.scheme in {"http", "https"}
            and bool(parts.hostname)
            and parts.username is None
            and not parts.query
            and not parts.fragment
            and parts.port != 0
        )
    except ValueError:
        usable = False
    if not usable:
        raise ValueError("has to be an address such as http://garden.local:8000")
    return address.rstrip("/")


def host_names(value: object) -> tuple[str, ...]:
    """Accept a list of host names without ports."""
    names = _texts(value, "host names")
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        raise ValueError('has to be a list of host names such as ["camera.example.org"]')
    return names


def networks(value: object) -> tuple[str, ...]:
    """Accept a list of IP addresses and networks."""
    given = _texts(value, "addresses")
    for each in given:
        try:
            ipaddress.ip_network(each, strict=False)
        except ValueError:
            raise ValueError('has to be a list of addresses such as ["192.168.1.2", "10.0.0.0/8"]') from None
    return given


def origins(value: object) -> tuple[str, ...]:
    """Accept a list of origins as browsers send them (RFC 6454, 6.2), because they are compared as text."""
    given = _texts(value, "origins")
    if "*" in given:
        raise ValueError(
            'has to name each origin: with "*" every page that somebody opens on this network could command a server '
            "that asks for no token, and guess the token of one that does"
        )
    if not all(_ORIGIN.fullmatch(each) and not _DEFAULT_PORT.fullmatch(each) for each in given):
        raise ValueError(
            'has to be a list of origins as a browser writes them, such as ["https://dash.example"]: '
            "in small letters, without a path, and without the port 80 of http or 443 of https"
        )
    return given


def _texts(value: object, what: str) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MAX_LIST or not all(isinstance(each, str) for each in value):
        raise ValueError(f"has to be a list of at most {_MAX_LIST} {what}, each in quotes")
    return tuple(value)


def path(value: object) -> Path:
    """Accept a path. A ~ at its start is the home folder, ~name that of another user."""
    try:
        return Path(text(value)).expanduser()
    except RuntimeError as error:
        raise ValueError("has to be a path; there is no user of the name after ~") from error


def host(value: object) -> str:
    """Accept a host name or an IP address without a port."""
    name = text(value)
    try:
        # The resolver does this first; a name that cannot be encoded would fail at each attempt to connect.
        name.encode("idna")
    except UnicodeError as error:
        raise ValueError("has to be a host name or an address") from error
    if not re.fullmatch(r"[\w.:%-]+", name):
        raise ValueError("has to be a host name or an address, without a scheme and a port")
    return name


def controls(value: object) -> dict[str, Any]:
    """Accept a table of control values by the driver's own names."""
    if not isinstance(value, dict):
        raise ValueError("has to be a table such as { Brightness = 0.1 }")  # noqa: TRY004  (likewise)
    return value


def regions(value: object) -> tuple[tuple[float, float, float, float], ...]:
    """Accept a list of rectangles [x, y, width, height] in fractions of the picture, and round them to 4 decimals."""
    message = (
        f"has to be a list of at most {_MAX_REGIONS} regions [x, y, width, height] in fractions of the picture, "
        "such as [[0, 0.5, 1, 0.5]] for its lower half"
    )
    if not isinstance(value, list | tuple) or len(value) > _MAX_REGIONS:
        raise ValueError(message)
    found = []
    fraction = number(0, 1)
    for each in value:
        if not isinstance(each, list | tuple) or len(each) != 4:  # noqa: PLR2004  (x, y, width and height)
            raise ValueError(message)
        try:
            x, y, width, height = (round(float(fraction(side)), 4) for side in each)
        except ValueError:
            raise ValueError(message) from None
        if min(width, height) < _SMALLEST_SIDE or x + width > 1 + _SMALLEST_SIDE or y + height > 1 + _SMALLEST_SIDE:
            raise ValueError(f"{message}; each has to be inside the picture, and have a width and a height")
        found.append((x, y, round(min(width, 1 - x), 4), round(min(height, 1 - y), 4)))
    return tuple(found)


SERVER: dict[str, Validator] = {
    "name": text,
    "host": text,
    "port": integer(1, 65535),
    "public_url": url,
    "state_dir": path,
    "zeroconf": boolean,
    "tls_certificate": path,
    "tls_key": path,
    "hosts": host_names,
    "trusted_proxies": networks,
    "cors_origins": origins,
    "max_viewers": integer(1, _MAX_VIEWERS),
    "max_viewers_per_camera": integer(1, _MAX_VIEWERS),
    "max_viewers_per_address": integer(1, _MAX_VIEWERS),
}
AUTH: dict[str, Validator] = {
    "mode": one_of("token", "none"),
}
MQTT: dict[str, Validator] = {
    "host": host,
    "port": integer(1, 65535),
    "username": text,
    "password_file": path,
    "tls": boolean,
    "ca_file": path,
    "client_certificate": path,
    "client_key": path,
    "discovery": one_of("auto", "core", "integration", "both"),
    "discovery_prefix": topic_prefix,
}
MOTION: dict[str, Validator] = {
    "enabled": boolean,
    "sensitivity": whole_number(1, 100),
    "watch": regions,
    "ignore": regions,
    "clear_after": number(1, 3600),
    "fps": number(0.5, 30),
}
CAMERA: dict[str, Validator] = {
    "id": camera_id,
    "name": text,
    "source": text,
    "device": text,
    "size": size,
    "fps": number(0.1, 240),
    "quality": integer(1, 100),
    "rotation": one_of(0, 90, 180, 270),
    "hflip": boolean,
    "vflip": boolean,
    "linger": number(0, 3600),
    "warm_up": number(0, 10),
    "always_on": boolean,
    "preroll": number(0, _MAX_PREROLL),
    "record_on_motion": boolean,
    "controls": controls,
    "sensor_mode": sensor_mode,
    "sensor_hdr": boolean,
    "tuning_file": text,
}
CLIPS: dict[str, Validator] = {
    "folder": path,
    "max_bytes": integer(1_000_000, 1_000_000_000_000),
    "max_age": number(60, 3650 * 24 * 3600),
    "max_count": integer(1, 10_000),
}
SECTIONS = {"server": SERVER, "auth": AUTH, "mqtt": MQTT, "camera": CAMERA, "clips": CLIPS}
"""The validators of each section by key."""
TABLES: dict[tuple[str, str], dict[str, Validator]] = {("camera", "motion"): MOTION}
"""The validators of each table in a section, such as [camera.motion], by key."""
