"""What the component finds this server by: a pure function of what the server is."""

from pi_mjpeg_server.documents import SCHEMA, Document, camera_facts, snapshot_url, stream_url
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

ONLINE, OFFLINE = "online", "offline"


def announcement(server: Server, topics: Topics, base: str) -> Document:
    """Return what tells the component of this server; `base` is the address that others reach it under."""
    identity = server.identity
    return {
        "schema": SCHEMA,
        "id": identity.node,
        "name": identity.name,
        "model": identity.model,
        "sw_version": identity.version,
        "mac": identity.mac,
        "base_url": base,
        "auth": server.auth,
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
            for camera in server.cameras
        ],
    }
