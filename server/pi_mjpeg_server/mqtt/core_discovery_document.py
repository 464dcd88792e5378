"""The document for Home Assistant's own MQTT discovery: a pure function.

The format is "Device discovery payload" of Home Assistant's `mqtt` integration. It has no live picture: a house without
the component gets the last snapshot, buttons, a switch for privacy and sensors.
"""

import json
from collections.abc import Mapping

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.documents import Document
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

_SUPPORT_URL = "https://github.com/pi-mjpeg/pi_mjpeg"
_MAX_STATE_LENGTH = 255
"""Characters; Home Assistant refuses longer states."""


def core_discovery_document(server: Server, topics: Topics, base_url: str) -> Document:
    """Return the document: the server's health; the last snapshot, state, buttons, privacy and motion of each camera.

    `base_url` is the URL at which other machines reach the server.
    """
    identity = server.identity
    device: Document = {
        "identifiers": [f"pi_mjpeg_{identity.node}"],
        "name": identity.name,
        "manufacturer": "pi_mjpeg",
        "sw_version": identity.version,
        "configuration_url": base_url,
    }
    if identity.model is not None:
        device["model"] = identity.model
    if identity.mac is not None:
        device["connections"] = [["mac", identity.mac]]
    components = _server_components(topics)
    for camera in server.cameras:
        prefix = f"{camera.settings.name} " if len(server.cameras) > 1 else ""
        components |= _camera_components(camera, prefix, topics)
    for key, component in components.items():
        component["unique_id"] = f"{identity.node}_{key}"
    return {
        "device": device,
        "origin": {"name": "pi-mjpeg", "sw_version": identity.version, "support_url": _SUPPORT_URL},
        "components": components,
        # For each component that does not say it itself.
        "availability": [{"topic": topics.availability}],
        "availability_mode": "all",
        "qos": 1,
    }


def with_tombstones(document: Document, earlier: Mapping[str, str]) -> Document:
    """Return `document` with a tombstone for each of the `earlier` components (platform by key) that it lacks.

    Home Assistant keeps an entity whose component is merely left out, and removes it if only the platform is given.
    """
    tombstones = {key: {"platform": platform} for key, platform in earlier.items() if key not in document["components"]}
    return {**document, "components": document["components"] | tombstones}


def _server_components(topics: Topics) -> dict[str, Document]:
    shared: Document = {
        "state_topic": topics.state,
        "entity_category": "diagnostic",
    }
    return {
        "temperature": {
            "platform": "sensor",
            "name": "Temperature",
            "device_class": "temperature",
            "unit_of_measurement": "°C",
            "state_class": "measurement",
            "value_template": "{{ value_json.temperature }}",
            **shared,
        },
        "throttled": {
            "platform": "binary_sensor",
            "name": "Throttled",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.throttled else 'OFF' }}",
            "json_attributes_topic": topics.state,
            "json_attributes_template": "{{ {'reasons': value_json.throttled} | tojson }}",
            **shared,
        },
        "viewers": {
            "platform": "sensor",
            "name": "Viewers",
            "state_class": "measurement",
            "value_template": "{{ value_json.viewers }}",
            **shared,
        },
        "started": {
            "platform": "sensor",
            "name": "Started",
            "device_class": "timestamp",
            "value_template": "{{ value_json.started_at }}",
            **shared,
        },
    }


def _camera_components(camera: Camera, prefix: str, topics: Topics) -> dict[str, Document]:
    camera_id = camera.settings.id
    shared: Document = {
        "availability": [{"topic": topics.availability}, {"topic": topics.camera(camera_id, "availability")}],
    }
    # Not the camera's availability: a camera that fails is just when people look at these.
    telemetry: Document = {
        "platform": "sensor",
        "state_topic": topics.camera(camera_id, "state"),
        "entity_category": "diagnostic",
    }
    buttons = {
        "take_snapshot": ("take snapshot", {"icon": "mdi:camera"}, "snapshot"),
        "restart": ("restart", {"device_class": "restart", "entity_category": "config"}, "restart"),
    }
    components: dict[str, Document] = {
        "snapshot": {
            "platform": "image",
            "name": _entity_name(prefix, "snapshot"),
            "url_topic": topics.camera(camera_id, "snapshot"),
            "url_template": "{{ value_json.url }}",
            **shared,
        },
        "state": {
            "name": _entity_name(prefix, "state"),
            "device_class": "enum",
            "options": [state.value for state in CameraState],
            "value_template": "{{ value_json.state }}",
            **telemetry,
        },
        "fps": {
            "name": _entity_name(prefix, "frame rate"),
            "unit_of_measurement": "fps",
            "state_class": "measurement",
            "value_template": "{{ value_json.fps }}",
            **telemetry,
        },
        "drops": {
            "name": _entity_name(prefix, "dropped frames"),
            "state_class": "total_increasing",
            "value_template": "{{ value_json.drops }}",
            **telemetry,
        },
        "last_error": {
            "name": _entity_name(prefix, "last error"),
            "value_template": f"{{{{ (value_json.last_error or 'none')[:{_MAX_STATE_LENGTH}] }}}}",
            **telemetry,
        },
    }
    # As in the component: on is private, so the camera is off. It can be switched while there are no pictures.
    components["privacy"] = {
        "platform": "switch",
        "name": _entity_name(prefix, "privacy"),
        "icon": "mdi:eye-off",
        "command_topic": topics.camera(camera_id, "command"),
        "payload_on": json.dumps({"command": "disable"}),
        "payload_off": json.dumps({"command": "enable"}),
        "state_topic": topics.camera(camera_id, "state"),
        "value_template": "{{ 'off' if value_json.enabled else 'on' }}",
        "state_on": "on",
        "state_off": "off",
        "availability": [{"topic": topics.availability}],
    }
    components |= _motion_components(camera_id, prefix, topics, shared)
    for key, (name, attributes, command) in buttons.items():
        components[key] = {
            "platform": "button",
            "name": _entity_name(prefix, name),
            "command_topic": topics.camera(camera_id, "command"),
            "payload_press": json.dumps({"command": command}),
            **attributes,
            **shared,
        }
    return {f"{camera_id}_{key}": component for key, component in components.items()}


def _motion_components(camera_id: str, prefix: str, topics: Topics, shared: Document) -> dict[str, Document]:
    """Return a sensor that is on while something moves, a switch for the detection, and its sensitivity (1 to 100).

    The sensor is unknown while nobody looks: "no motion" would be a guess.
    """
    settings: Document = {
        "state_topic": topics.camera(camera_id, "motion"),
        "command_topic": topics.camera(camera_id, "command"),
        "entity_category": "config",
        **shared,
    }
    return {
        "motion": {
            "platform": "binary_sensor",
            "name": _entity_name(prefix, "motion"),
            "device_class": "motion",
            "state_topic": topics.camera(camera_id, "motion"),
            "value_template": "{{ 'ON' if value_json.motion else 'OFF' if value_json.enabled else None }}",
            **shared,
        },
        "motion_detection": {
            "platform": "switch",
            "name": _entity_name(prefix, "motion detection"),
            "payload_on": _set_motion("true"),
            "payload_off": _set_motion("false"),
            "value_template": "{{ 'on' if value_json.enabled else 'off' }}",
            "state_on": "on",
            "state_off": "off",
            **settings,
        },
        "motion_sensitivity": {
            "platform": "number",
            "name": _entity_name(prefix, "motion sensitivity"),
            "command_template": '{"command":"set","motion":{"sensitivity":{{ value | int }}}}',
            "value_template": "{{ value_json.sensitivity }}",
            **settings,
        },
    }


def _set_motion(enabled: str) -> str:
    return f'{{"command":"set","motion":{{"enabled":{enabled}}}}}'


def _entity_name(prefix: str, name: str) -> str:
    return f"{prefix}{name}" if prefix else name.capitalize()
