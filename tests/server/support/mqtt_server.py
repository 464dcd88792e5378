"""What the MQTT tests say to each other of servers and topics."""

import json
import urllib.request
from typing import Any, Protocol

from tooling.processes import Program

from tests.server.support.mqtt_listener import Listener

CLAIM = '{"schema": 1, "by": "homeassistant"}'


class MakeServer(Protocol):
    """Starts a server process that tells a broker on this machine."""

    def __call__(self, *arguments: str, mqtt_port: int | None = None) -> Program:
        """Start it with these flags; without a port, at the broker that all tests share."""


def announced(listener: Listener, seconds: float = 15) -> dict[str, Any]:
    """Wait for a server to be online and return its announcement."""
    listener.wait(lambda heard: any(topic.startswith("pi_mjpeg/discovery/") for topic in heard.retained), seconds)
    topic = next(topic for topic in listener.retained if topic.startswith("pi_mjpeg/discovery/"))
    announcement: dict[str, Any] = json.loads(listener.retained[topic])
    listener.wait_for(announcement["availability_topic"], "online", seconds)
    return announcement


def core_topic(node: str) -> str:
    return f"homeassistant/device/pi_mjpeg_{node}/config"


def core_document(listener: Listener, node: str) -> dict[str, Any]:
    """Wait for the document of Home Assistant's own discovery and return it."""
    listener.wait(lambda heard: core_topic(node) in heard.retained)
    document: dict[str, Any] = json.loads(listener.retained[core_topic(node)])
    return document


def fetched(url: str) -> bytes:
    """Return what a server answers there."""
    with urllib.request.urlopen(url, timeout=10) as response:  # noqa: S310  (our own server's http)
        body: bytes = response.read()
    return body
