"""The discovery documents: pure functions of what the server is."""

from collections.abc import Mapping

from pi_mjpeg_server.camera import Camera
from pi_mjpeg_server.documents import SCHEMA, Document, camera_facts, snapshot_url, stream_url
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.station import Station

ONLINE, OFFLINE = "online", "offline"

_PROJECT = "https://github.com/pi-mjpeg/pi_mjpeg"
_TAKE_SNAPSHOT = '{"command": "snapshot"}'


def announcement(station: Station, topics: Topics, base: str) -> Document:
    """Return what tells the component of this server; `base` is the address that others reach it under."""
    identity = station.identity
    return {
        "schema": SCHEMA,
        "id": identity.node,
        "name": identity.name,
        "model": identity.model,
        "sw_version": identity.version,
        "mac": identity.mac,
        "base_url": base,
        "auth": station.auth,
        "availability_topic": topics.availability,
        "cameras": [
            {
                **camera_facts(camera),
                "stream_url": stream_url(camera.settings.id, base),
                "snapshot_url": snapshot_url(camera.settings.id, base),
                **{
                    f"{what}_topic": topics.camera(camera.settings.id, what)
                    for what in ("availability", "state", "snapshot", "command")
                },
            }
            for camera in station.cameras
        ],
    }


def core_discovery(station: Station, topics: Topics, base: str) -> Document:
    """Return Home Assistant's own device discovery: for each camera its last kept snapshot and a button that takes one.

    The form is that of Home Assistant's `mqtt` integration, "Device discovery payload".
    """
    identity = station.identity
    device: Document = {
        "identifiers": [f"pi_mjpeg_{identity.node}"],
        "name": identity.name,
        "manufacturer": "pi_mjpeg",
        "sw_version": identity.version,
        "configuration_url": base,
    }
    if identity.model is not None:
        device["model"] = identity.model
    if identity.mac is not None:
        device["connections"] = [["mac", identity.mac]]
    components: dict[str, Document] = {}
    for camera in station.cameras:
        components |= _camera_components(camera, station, topics)
    return {
        "device": device,
        "origin": {"name": "pi-mjpeg", "sw_version": identity.version, "support_url": _PROJECT},
        "components": components,
        "qos": 1,
    }


def with_tombstones(document: Document, earlier: Mapping[str, str]) -> Document:
    """Return a core document that also ends those of the `earlier` components that it no longer has.

    Home Assistant keeps what a document merely leaves out; a component of which only the platform is left, it removes.
    """
    gone = {key: {"platform": name} for key, name in earlier.items() if key not in document["components"]}
    return {**document, "components": document["components"] | gone}


def _camera_components(camera: Camera, station: Station, topics: Topics) -> dict[str, Document]:
    camera_id = camera.settings.id
    prefix = f"{camera.settings.name} " if len(station.cameras) > 1 else ""
    unique = f"{station.identity.node}_{camera_id}"
    shared: Document = {
        "availability": [
            {"topic": topics.availability},
            {"topic": topics.camera(camera_id, "availability")},
        ],
        "availability_mode": "all",
    }
    return {
        f"{camera_id}_snapshot": {
            "platform": "image",
            "unique_id": f"{unique}_snapshot",
            "name": f"{prefix}snapshot" if prefix else "Snapshot",
            "url_topic": topics.camera(camera_id, "snapshot"),
            "url_template": "{{ value_json.url }}",
            **shared,
        },
        f"{camera_id}_take_snapshot": {
            "platform": "button",
            "unique_id": f"{unique}_take_snapshot",
            "name": f"{prefix}take snapshot" if prefix else "Take snapshot",
            "icon": "mdi:camera",
            "command_topic": topics.camera(camera_id, "command"),
            "payload_press": _TAKE_SNAPSHOT,
            **shared,
        },
    }
