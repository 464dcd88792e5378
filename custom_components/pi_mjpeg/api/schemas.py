"""The voluptuous schema of each document of the contract.

Unknown fields are ignored, so that a newer server may add some. Known fields are checked completely.
"""

from collections.abc import Mapping
from typing import Any, Final

import voluptuous as vol

from ..const import MAX_CAMERAS
from .validators import (
    base_url,
    camera_id,
    http_url,
    integer,
    mac_address,
    node_id,
    number,
    sentence,
    snapshot_id,
    text,
    timestamp,
)

MAX_VIEWERS: Final = 1024
MAX_CONTROLS: Final = 64
MAX_OPTIONS: Final = 64
MAX_REASONS: Final = 16
_COUNT: Final = integer(0, 2**53)
_SIDE: Final = integer(1, 2**16)
_FPS: Final = number(0, 1000)


def _document(fields: Mapping[Any, object]) -> vol.Schema:
    """Return the schema of an object that has all these fields and may have others."""
    return vol.Schema(dict(fields), required=True, extra=vol.REMOVE_EXTRA)


def _frozen(values: list[str]) -> tuple[str, ...]:
    # A schema would take a bare `tuple` as a check for that type.
    return tuple(values)


STATES: Final = ("idle", "starting", "live", "failing", "stuck", "off")
"""The states of a camera. In the first three it is available."""

_STATE: Final = vol.In(STATES)
_AUTH: Final = vol.In(("none", "token"))

_ANNOUNCED_CAMERA: Final = _document(
    {
        "id": camera_id,
        "name": text,
        "model": vol.Maybe(text),
        "width": vol.Maybe(_SIDE),
        "height": vol.Maybe(_SIDE),
        "fps": _FPS,
        "stream_url": http_url,
        "snapshot_url": http_url,
        "availability_topic": text,
        "state_topic": text,
        "snapshot_topic": text,
        "command_topic": text,
    }
)

ANNOUNCEMENT: Final = _document(
    {
        "id": node_id,
        "name": text,
        "model": text,
        "sw_version": text,
        "mac": vol.Maybe(mac_address),
        "base_url": base_url,
        "auth": _AUTH,
        "availability_topic": text,
        "cameras": vol.All([_ANNOUNCED_CAMERA], vol.Length(max=MAX_CAMERAS)),
    }
)

ZEROCONF_RECORD: Final = _document(
    {"id": node_id, "name": text, "auth": _AUTH, "scheme": vol.In(("http", "https")), "version": text}
)

CAMERA_TELEMETRY_FIELDS: Final[dict[str, object]] = {
    "state": _STATE,
    "reason": vol.Maybe(sentence),
    "since": timestamp,
    "viewers": _COUNT,
    "drops": _COUNT,
    "restarts": _COUNT,
    "last_error": vol.Maybe(sentence),
}
# Servers without the privacy switch do not tell it.
_ENABLED: Final[dict[object, object]] = {vol.Optional("enabled", default=None): vol.Maybe(bool)}
CAMERA_TELEMETRY: Final = _document({**CAMERA_TELEMETRY_FIELDS, **_ENABLED, "fps": _FPS})

SERVER_TELEMETRY_FIELDS: Final[dict[str, object]] = {
    "started_at": timestamp,
    "viewers": _COUNT,
    "temperature": vol.Maybe(number(-100, 200)),
    "throttled": vol.Maybe(vol.All([text], vol.Length(max=MAX_REASONS), _frozen)),
}
SERVER_TELEMETRY: Final = _document(SERVER_TELEMETRY_FIELDS)

_RANGE: Final = vol.Maybe(number(-(2.0**63), 2.0**63))
_CONTROL: Final = _document(
    {
        "name": text,
        "type": vol.In(("boolean", "integer", "number", "menu")),
        "minimum": _RANGE,
        "maximum": _RANGE,
        "step": _RANGE,
        "value": vol.Any(bool, number(-(2.0**63), 2.0**63), text),
        "options": vol.All([text], vol.Length(max=MAX_OPTIONS), _frozen),
    }
)

_CONTROLS: Final = vol.All([_CONTROL], vol.Length(max=MAX_CONTROLS))

SNAPSHOT: Final = _document(
    {"id": snapshot_id, "url": http_url, "time": timestamp, "width": _SIDE, "height": _SIDE, "bytes": _COUNT}
)

_CAMERA: Final = _document(
    {
        **CAMERA_TELEMETRY_FIELDS,
        **_ENABLED,
        vol.Optional("snapshot", default=None): vol.Maybe(SNAPSHOT),
        "id": camera_id,
        "name": text,
        "source": text,
        "model": vol.Maybe(text),
        "width": vol.Maybe(_SIDE),
        "height": vol.Maybe(_SIDE),
        "fps": _FPS,
        "measured_fps": _FPS,
        "available": bool,
        "controls": _CONTROLS,
        "viewers": vol.All([dict], vol.Length(max=MAX_VIEWERS), len),
    }
)

API_STATE: Final = _document(
    {
        "server": _document(
            {
                **SERVER_TELEMETRY_FIELDS,
                "id": node_id,
                "name": text,
                "model": text,
                "version": text,
                "mac": vol.Maybe(mac_address),
                "auth": _AUTH,
            }
        ),
        "cameras": vol.All([_CAMERA], vol.Length(max=MAX_CAMERAS)),
    }
)

ERROR: Final = _document({"error": _document({"code": text, "message": sentence})})

CHANGED_CONTROLS: Final = _document({"controls": _CONTROLS})

CHANGED_CAMERA: Final = _document({"enabled": bool})
