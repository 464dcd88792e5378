"""What the MQTT tests need to know of server processes and their topics."""

import json
import urllib.request
from typing import Any, Protocol

from tooling.processes import Program

from tests.server.support.mqtt_listener import Listener

CLAIM = '{"schema": 1, "by": "homeassistant"}'


class MakeServer(Protocol):
    """Starts a server process that connects to a broker on this machine."""

    def __call__(self, *arguments: str, mqtt_port: int | None = None) -> Program:
        """Start a server with these flags; without `mqtt_port`, at the broker that all tests share."""


def wait_for_announcement(listener: Listener, seconds: float = 15) -> dict[str, Any]:
    """Wait until a server is online, and return its announcement."""
    listener.wait(lambda heard: any(topic.startswith("pi_mjpeg/discovery/") for topic in heard.retained), seconds)
    topic = next(topic for topic in listener.retained if topic.startswith("pi_mjpeg/discovery/"))
    announcement: dict[str, Any] = json.loads(listener.retained[topic])
    listener.wait_for_retained(announcement["availability_topic"], "online", seconds)
    return announcement


def core_discovery_topic(node: str) -> str:
    return f"homeassistant/device/pi_mjpeg_{node}/config"


def wait_for_core_discovery(listener: Listener, node: str) -> dict[str, Any]:
    """Wait until the core discovery document is published, and return it."""
    listener.wait(lambda heard: core_discovery_topic(node) in heard.retained)
    document: dict[str, Any] = json.loads(listener.retained[core_discovery_topic(node)])
    return document


def fetch(url: str) -> bytes:
    """Return the body that the server sends for a URL."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  (our own server's http)
        body: bytes = response.read()
    return body
