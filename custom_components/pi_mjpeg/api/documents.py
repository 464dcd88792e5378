"""Parses the JSON documents of the contract into models. Invalid ones are refused."""

from collections.abc import Mapping
from contextlib import suppress
from ipaddress import ip_address
from typing import Any

import voluptuous as vol
from homeassistant.util.json import json_loads
from yarl import URL

from ..const import (
    BASE_TOPIC,
    DISCOVERY_TOPIC,
    MAX_ANNOUNCEMENT_BYTES,
    MAX_CLIPS_BYTES,
    MAX_MESSAGE_BYTES,
    MAX_STATE_BYTES,
    MAX_TELEMETRY_BYTES,
    SCHEMA,
)
from .errors import schema_number
from .models import (
    AnnouncedCamera,
    Announcement,
    Camera,
    CameraTelemetry,
    Clip,
    Control,
    DiscoveredServer,
    Motion,
    Server,
    ServerMessage,
    ServerTelemetry,
    Snapshot,
)
from .schemas import (
    ANNOUNCEMENT,
    API_STATE,
    CAMERA_TELEMETRY,
    CAMERA_TELEMETRY_FIELDS,
    CHANGED_CAMERA,
    CHANGED_CONTROLS,
    CHANGED_MOTION,
    CLIP,
    CLIPS,
    ENROLMENT,
    ERROR,
    EVENT_AVAILABILITY,
    EVENT_CAMERA,
    EVENT_SNAPSHOT,
    FULL_SNAPSHOT_GAP,
    IDENTITY,
    MAX_ADDRESSES,
    MOTION,
    SERVER_TELEMETRY,
    SERVER_TELEMETRY_FIELDS,
    SNAPSHOT,
    SNAPSHOTS,
    ZEROCONF_RECORD,
)
from .shapes import Validator
from .validators import base_url


class DocumentError(Exception):
    """A document of the contract cannot be read. The message says where and why."""


class UnknownSchemaError(DocumentError):
    """The document has another version of the contract than this one. `schema` is its number."""

    def __init__(self, schema: object) -> None:
        super().__init__(
            f"its schema is {schema_number(schema)}, this version reads {SCHEMA}: "
            "update the older one of the server and the integration"
        )
        self.schema = schema


def _read(
    payload: str | bytes | bytearray,
    schema: Validator[dict[str, Any]],
    *,
    limit: int = MAX_MESSAGE_BYTES,
    numbered: bool = True,
) -> dict[str, Any]:
    """Return the validated fields of a JSON object. A `numbered` document must have our schema number."""
    # A character takes up to four bytes. Encoding is cheap once there are not too many of them.
    if len(payload) > limit or (isinstance(payload, str) and len(payload.encode(errors="replace")) > limit):
        raise DocumentError(f"it is larger than {limit} bytes")
    try:
        document = json_loads(payload)
    except ValueError as error:
        raise DocumentError("it is not valid JSON") from error
    if not isinstance(document, dict):
        raise DocumentError("it is not a JSON object")
    if numbered and (document.get("schema") != SCHEMA or document.get("schema") is True):
        raise UnknownSchemaError(document.get("schema"))
    try:
        return schema(document)
    except vol.Invalid as error:
        where = ".".join(str(step) for step in error.path) or "the document"
        raise DocumentError(f"{where}: {error.error_message}") from error


def parse_announcement(topic: str, payload: str | bytes | bytearray) -> Announcement:
    """Parse `announcement.json`, received on `topic`. Raises `DocumentError`."""
    fields = _read(payload, ANNOUNCEMENT, limit=MAX_ANNOUNCEMENT_BYTES)
    node, base = fields["id"], fields["base_url"]
    if len({camera["id"] for camera in fields["cameras"]}) != len(fields["cameras"]):
        raise DocumentError("two cameras have the same id")
    expected = {
        DISCOVERY_TOPIC.format(node=node): topic,
        f"{BASE_TOPIC}/{node}/availability": fields["availability_topic"],
    }
    for camera in fields["cameras"]:
        expected |= {
            f"{BASE_TOPIC}/{node}/{camera['id']}/{leaf}": camera[f"{leaf}_topic"]
            for leaf in ("availability", "state", "snapshot", "command")
        }
        for field in ("stream_url", "snapshot_url"):
            if camera[field].origin() != base.origin():
                raise DocumentError(f"{camera['id']}.{field}: its server is not that of base_url")
    for wanted, given in expected.items():
        if given != wanted:
            raise DocumentError(f"the topic {wanted} is expected, not {given[:120]}")
    cameras = tuple(AnnouncedCamera(**camera) for camera in fields.pop("cameras"))
    fields["name"] = fields["name"] or node
    return Announcement(**fields, cameras=cameras)


def parse_zeroconf(host: str, port: int | None, properties: Mapping[str, object]) -> DiscoveredServer:
    """Parse the multicast DNS record of a server. Raises `DocumentError`."""
    try:
        fields = ZEROCONF_RECORD(dict(properties))
        hosts = [*_addresses(fields["addresses"] or ""), host]
        urls = [base_url(str(URL.build(scheme=fields["scheme"], host=each, port=port))) for each in hosts]
    except (vol.Invalid, ValueError) as error:
        raise DocumentError("its record is not that of a pi-mjpeg server") from error
    return DiscoveredServer(fields["id"], fields["name"] or fields["id"], tuple(dict.fromkeys(urls)))


def announced_server(announcement: Announcement) -> DiscoveredServer:
    """Return what an announcement says about the server itself, with all its addresses."""
    first, others = announcement.base_url, announcement.base_urls or ()
    # The contract has base_url for the first. A document that says otherwise does not follow it.
    urls = others if others[:1] == (first,) else (first,)
    return DiscoveredServer(announcement.id, announcement.name, tuple(dict.fromkeys(urls)))


def _addresses(listed: str) -> list[str]:
    """Return the addresses in a list with commas, without what is no address."""
    found = []
    for each in listed.split(",")[:MAX_ADDRESSES]:
        with suppress(ValueError):
            found.append(str(ip_address(each.strip())))
    return found


def parse_state(payload: bytes) -> Server:
    """Parse `api_state.json`. Raises `DocumentError`."""
    fields = _read(payload, API_STATE, limit=MAX_STATE_BYTES)
    server = fields["server"]
    telemetry = ServerTelemetry(**{field: server.pop(field) for field in SERVER_TELEMETRY_FIELDS})
    server["name"] = server["name"] or server["id"]
    problems = frozenset(problem["code"] for problem in server.pop("problems") or [])
    cameras: dict[str, Camera] = {}
    for camera in fields["cameras"]:
        cameras.setdefault(camera["id"], _camera(camera))
    return Server(**server, telemetry=telemetry, cameras=cameras, problems=problems)


def parse_camera_state(payload: str | bytes | bytearray) -> CameraTelemetry:
    """Parse `camera_state.json`. Raises `DocumentError`."""
    return CameraTelemetry(**_read(payload, CAMERA_TELEMETRY, limit=MAX_TELEMETRY_BYTES))


def parse_server_state(payload: str | bytes | bytearray) -> ServerTelemetry:
    """Parse `server_state.json`. Raises `DocumentError`."""
    return ServerTelemetry(**_read(payload, SERVER_TELEMETRY, limit=MAX_TELEMETRY_BYTES))


def parse_snapshot(payload: str | bytes | bytearray, *, numbered: bool = True) -> Snapshot:
    """Parse `snapshot.json`, which has no schema number in an answer over HTTP. Raises `DocumentError`."""
    return _snapshot(_read(payload, SNAPSHOT, numbered=numbered))


def parse_full_snapshot(payload: bytes) -> tuple[Snapshot, float | None]:
    """Parse `full_snapshot.json`: the snapshot, and its gap in seconds or None. Raises `DocumentError`."""
    gap: float | None = _read(payload, FULL_SNAPSHOT_GAP, numbered=False)["gap"]
    return parse_snapshot(payload, numbered=False), gap


def parse_snapshots(payload: bytes) -> list[Snapshot]:
    """Parse the list of the snapshots that a server keeps of a camera. Raises `DocumentError`."""
    return [_snapshot(fields) for fields in _read(payload, SNAPSHOTS)["snapshots"]]


def parse_clip(payload: str | bytes | bytearray) -> Clip:
    """Parse `clip.json`. Raises `DocumentError`."""
    return _clip(_read(payload, CLIP))


def parse_clips(payload: bytes) -> list[Clip]:
    """Parse the list of the clips that a server keeps of a camera. Raises `DocumentError`."""
    return [_clip(fields) for fields in _read(payload, CLIPS, limit=MAX_CLIPS_BYTES)["clips"]]


def parse_enabled(payload: bytes) -> bool:
    """Parse the answer to a change of the privacy switch. Raises `DocumentError`."""
    enabled: bool = _read(payload, CHANGED_CAMERA, numbered=False)["enabled"]
    return enabled


def parse_motion(payload: str | bytes | bytearray) -> Motion:
    """Parse `motion.json`. Raises `DocumentError`."""
    return Motion(**_read(payload, MOTION, limit=MAX_TELEMETRY_BYTES))


def parse_changed_motion(payload: bytes) -> Motion:
    """Parse the answer to a change of motion settings. Raises `DocumentError`."""
    return Motion(**_read(payload, CHANGED_MOTION, numbered=False)["motion"])


def parse_event_camera(data: str) -> str | None:
    """Return the camera's id in an event, None for the server itself. Raises `DocumentError`."""
    camera: str | None = _read(data, EVENT_CAMERA)["camera"]
    return camera


def parse_event_availability(data: str) -> bool:
    """Return whether the camera of an event gives pictures. Raises `DocumentError`."""
    return bool(_read(data, EVENT_AVAILABILITY)["availability"] == "online")


def parse_event_snapshot(data: str) -> Snapshot | None:
    """Return the last kept snapshot in an event, None if there is none. Raises `DocumentError`."""
    return None if _read(data, EVENT_SNAPSHOT)["id"] is None else parse_snapshot(data)


def parse_event_clip(data: str) -> Clip | None:
    """Return the last kept clip in an event, None if there is none. Raises `DocumentError`."""
    return None if _read(data, EVENT_SNAPSHOT)["id"] is None else parse_clip(data)


def parse_controls(payload: str | bytes) -> dict[str, Control]:
    """Parse the answer to a change of controls. Raises `DocumentError`."""
    return _controls(_read(payload, CHANGED_CONTROLS, numbered=False)["controls"])


def parse_enrolment(payload: bytes) -> dict[str, str]:
    """Parse the answer to an enrolment: `key` and `secret`. Raises `DocumentError`."""
    return _read(payload, ENROLMENT, numbered=False)


def parse_identity(payload: bytes) -> dict[str, Any]:
    """Parse what a server says about itself: `id`, `proof` and `instance`. Raises `DocumentError`."""
    return _read(payload, IDENTITY, numbered=False)


def parse_error(payload: bytes) -> ServerMessage:
    """Parse `error.json`. Raises `DocumentError`."""
    error = _read(payload, ERROR, numbered=False)["error"]
    return ServerMessage(code=error["code"], message=error["message"] or error["code"])


def _camera(fields: dict[str, Any]) -> Camera:
    fields["name"] = fields["name"] or fields["id"]
    fields["available"] = fields["available"] is True
    fields["controls"] = _controls(fields["controls"] or [])
    measured = {field: fields.pop(field) for field in CAMERA_TELEMETRY_FIELDS}
    telemetry = CameraTelemetry(**measured, fps=fields.pop("measured_fps"))
    kept, recorded, motion = fields.pop("snapshot"), fields.pop("clip"), fields.pop("motion")
    snapshot = _snapshot(kept) if kept else None
    if snapshot is not None and snapshot.camera != fields["id"]:
        snapshot = None
    clip = _clip(recorded) if recorded else None
    if clip is not None and clip.camera != fields["id"]:
        clip = None
    return Camera(
        **fields, snapshot=snapshot, clip=clip, motion=Motion(**motion) if motion else None, telemetry=telemetry
    )


def _snapshot(fields: dict[str, Any]) -> Snapshot:
    return Snapshot(signature=fields.pop("url"), **fields)


def _clip(fields: dict[str, Any]) -> Clip:
    return Clip(
        replay_signature=fields.pop("url"),
        download_signature=fields.pop("download_url"),
        thumbnail_signature=fields.pop("thumbnail_url"),
        **fields,
    )


def _controls(described: list[dict[str, Any]]) -> dict[str, Control]:
    """Return the controls whose value and range fit their type. A broken control must not cost the whole camera."""
    controls = [Control(**{**fields, "options": fields["options"] or ()}) for fields in described]
    return {control.name: control for control in controls if _fits(control)}


def _fits(control: Control) -> bool:
    match control.type:
        case "boolean":
            return isinstance(control.value, bool)
        case "menu":
            return control.value in control.options
    ranged = control.minimum is not None and control.maximum is not None and control.minimum <= control.maximum
    return ranged and isinstance(control.value, float)
