"""The shape of each document of the contract.

Unknown fields are ignored, so that a newer server may add some. What a document needs is strict: what names a server, a
camera or a control, and what leads to an address. Any other value that is wrong is None, and an item of a list that is
wrong is left out: neither may cost the rest of the document.
"""

from typing import Any, Final

import voluptuous as vol

from ..const import MAX_CAMERAS, MAX_CONTROLS
from .shapes import Validator, boolean, count_of, document, lenient, list_of, list_of_valid, one_of, optional
from .validators import (
    base_url,
    camera_id,
    hexadecimal,
    http_url,
    integer,
    mac_address,
    node_id,
    number,
    sentence,
    signed_url,
    snapshot_id,
    text,
    timestamp,
)

MAX_VIEWERS: Final = 1024
MAX_OPTIONS: Final = 64
MAX_OPTIONS_PER_CAMERA: Final = 512
"""Of all menus together. The drivers of the kernel have some 30 menus of 2 to 16 options."""

MAX_REASONS: Final = 16

MAX_ADDRESSES: Final = 16
"""Of one server."""
_COUNT: Final = integer(0, 2**53)
_SIDE: Final = integer(1, 2**16)
_FPS: Final = number(0, 1000)


def _frozen[T](validate: Validator[list[T]]) -> Validator[tuple[T, ...]]:
    return lambda value: tuple(validate(value))


STATES: Final = ("idle", "starting", "live", "failing", "stuck", "off")
"""The states of a camera. In the first three it is available."""

_AUTH: Final = one_of("none", "token")

_ANNOUNCED_CAMERA: Final = document(
    {
        "id": camera_id,
        "name": lenient(text),
        "model": lenient(text),
        "width": lenient(_SIDE),
        "height": lenient(_SIDE),
        "fps": lenient(_FPS),
        "stream_url": http_url,
        "snapshot_url": http_url,
        "availability_topic": text,
        "state_topic": text,
        "snapshot_topic": text,
        "command_topic": text,
    }
)

ANNOUNCEMENT: Final = document(
    {
        "id": node_id,
        "name": lenient(text),
        "model": lenient(text),
        "sw_version": lenient(text),
        "mac": lenient(mac_address),
        "base_url": base_url,
        "base_urls": lenient(_frozen(list_of_valid(base_url, MAX_ADDRESSES))),
        "auth": lenient(_AUTH),
        "availability_topic": text,
        "cameras": list_of(_ANNOUNCED_CAMERA, MAX_CAMERAS),
    }
)

ZEROCONF_RECORD: Final = document(
    {"id": node_id, "name": lenient(text), "scheme": one_of("http", "https"), "addresses": lenient(text)}
)

CAMERA_TELEMETRY_FIELDS: Final[dict[str, Validator[Any]]] = {
    "state": lenient(one_of(*STATES)),
    "reason": lenient(sentence),
    "since": lenient(timestamp),
    "viewers": lenient(_COUNT),
    "drops": lenient(_COUNT),
    "restarts": lenient(_COUNT),
    "last_error": lenient(sentence),
    # Servers without the privacy switch do not tell it.
    "enabled": lenient(boolean),
}
CAMERA_TELEMETRY: Final = document({**CAMERA_TELEMETRY_FIELDS, "fps": lenient(_FPS)})

SERVER_TELEMETRY_FIELDS: Final[dict[str, Validator[Any]]] = {
    "started_at": lenient(timestamp),
    "viewers": lenient(_COUNT),
    "temperature": lenient(number(-100, 200)),
    "throttled": lenient(_frozen(list_of_valid(text, MAX_REASONS))),
}
SERVER_TELEMETRY: Final = document(SERVER_TELEMETRY_FIELDS)

_NUMBER: Final = number(-(2.0**63), 2.0**63)
_RANGE: Final = lenient(_NUMBER)


def _value(value: object) -> bool | float | str:
    """Accept the value of a control of any type."""
    if isinstance(value, bool):
        return value
    return text(value) if isinstance(value, str) else _NUMBER(value)


_CONTROL: Final = document(
    {
        "name": text,
        "type": one_of("boolean", "integer", "number", "menu"),
        "minimum": _RANGE,
        "maximum": _RANGE,
        "step": _RANGE,
        "value": _value,
        "options": lenient(_frozen(list_of_valid(text, MAX_OPTIONS))),
    }
)

_CONTROL_LIST: Final = list_of_valid(_CONTROL, MAX_CONTROLS)


def _controls(value: object) -> list[dict[str, Any]]:
    """Accept the controls of a camera. What is in them is read once it is known to be little enough."""
    if isinstance(value, list):
        options = [control.get("options") for control in value[:MAX_CONTROLS] if isinstance(control, dict)]
        if sum(len(menu) for menu in options if isinstance(menu, list)) > MAX_OPTIONS_PER_CAMERA:
            raise vol.Invalid(f"expected at most {MAX_OPTIONS_PER_CAMERA} options in all")
    return _CONTROL_LIST(value)


SNAPSHOT: Final = document(
    {
        "id": snapshot_id,
        "url": signed_url,
        "width": lenient(_SIDE),
        "height": lenient(_SIDE),
        "bytes": lenient(_COUNT),
    }
)

_GAP: Final = number(0, 3600)

# A server before this version takes a snapshot in its usual size, and tells no gap.
FULL_SNAPSHOT_GAP: Final = document({"gap": lenient(_GAP)})

MAX_SNAPSHOTS: Final = 100
"""Of one camera. A server keeps 40."""

_SNAPSHOT_LIST: Final = list_of_valid(SNAPSHOT, MAX_SNAPSHOTS)

SNAPSHOTS: Final = document({"snapshots": _SNAPSHOT_LIST})

MAX_CLIPS: Final = 500
"""Of one camera. Older ones are left out."""

_SECONDS: Final = number(0, 3600)

CLIP: Final = document(
    {
        "id": snapshot_id,
        "url": signed_url,
        "download_url": signed_url,
        "thumbnail_url": signed_url,
        "duration": _SECONDS,
        "before": _SECONDS,
        "after": _SECONDS,
        "frames": integer(1, 2**31),
        "bytes": integer(1, 2**40),
        "width": lenient(_SIDE),
        "height": lenient(_SIDE),
        "trigger": lenient(text),
    }
)

_CLIP_LIST: Final = list_of_valid(CLIP, MAX_CLIPS)

CLIPS: Final = document({"clips": lambda value: _CLIP_LIST(value[:MAX_CLIPS] if isinstance(value, list) else value)})

MOTION: Final = document(
    {
        "enabled": boolean,
        "motion": boolean,
        "sensitivity": integer(1, 100),
        "error": lenient(sentence),
    }
)

_CAMERA: Final = document(
    {
        **CAMERA_TELEMETRY_FIELDS,
        "snapshot": lenient(SNAPSHOT),
        "clip": lenient(CLIP),
        "motion": lenient(MOTION),
        "id": camera_id,
        "name": lenient(text),
        "source": lenient(text),
        "model": lenient(text),
        "width": lenient(_SIDE),
        "height": lenient(_SIDE),
        "fps": lenient(_FPS),
        "measured_fps": lenient(_FPS),
        "available": lenient(boolean),
        "controls": lenient(_controls),
        "viewers": lenient(count_of(MAX_VIEWERS)),
    }
)

_PROBLEM: Final = document({"code": text})

API_STATE: Final = document(
    {
        "server": document(
            {
                **SERVER_TELEMETRY_FIELDS,
                "id": node_id,
                "name": lenient(text),
                "model": lenient(text),
                "version": lenient(text),
                "mac": lenient(mac_address),
                "auth": lenient(_AUTH),
                # Older servers do not tell them.
                "problems": lenient(list_of_valid(_PROBLEM, MAX_REASONS)),
            }
        ),
        "cameras": list_of_valid(_CAMERA, MAX_CAMERAS),
    }
)

ERROR: Final = document({"error": document({"code": text, "message": lenient(sentence)})})

CHANGED_CONTROLS: Final = document({"controls": _controls})

CHANGED_CAMERA: Final = document({"enabled": boolean})

CHANGED_MOTION: Final = document({"motion": MOTION})

EVENT_CAMERA: Final = document({"camera": optional(camera_id)})

EVENT_AVAILABILITY: Final = document({"availability": one_of("online", "offline")})

EVENT_SNAPSHOT: Final = document({"id": optional(snapshot_id)})

ENROLMENT: Final = document({"key": hexadecimal(16), "secret": hexadecimal(64)})

IDENTITY: Final = document(
    # Older servers do not tell their instance.
    {"id": node_id, "proof": hexadecimal(64), "instance": lenient(hexadecimal(16))}
)
