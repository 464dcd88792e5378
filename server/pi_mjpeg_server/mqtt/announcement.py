"""The announcement, by which the component discovers this server: a pure function."""

from collections.abc import Sequence

from pi_mjpeg_server.documents import SCHEMA, Document, camera_facts, iso, snapshot_url, stream_url
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server


def announcement(server: Server, topics: Topics, base_urls: Sequence[str]) -> Document:
    """Return the announcement; `base_urls` are the URLs at which other machines may reach the server, best first."""
    identity = server.identity
    base_url = base_urls[0]
    return {
        "schema": SCHEMA,
        "id": identity.node,
        "name": identity.name,
        "model": identity.model,
        "sw_version": identity.version,
        "mac": identity.mac,
        "base_url": base_url,
        "base_urls": list(base_urls),
        "auth": server.auth,
        "instance": server.instance,
        "started_at": iso(server.started_at),
        "availability_topic": topics.availability,
        "cameras": [
            {
                **camera_facts(camera),
                "stream_url": stream_url(camera.settings.id, base_url),
                "snapshot_url": snapshot_url(camera.settings.id, base_url),
                **{
                    f"{kind}_topic": topics.camera(camera.settings.id, kind)
                    for kind in ("availability", "state", "snapshot", "clip", "motion", "command")
                },
            }
            for camera in server.cameras
        ],
    }
