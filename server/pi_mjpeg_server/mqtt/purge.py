"""Takes back everything that a server ever left at its broker, for a server that goes for good."""

import asyncio
from collections.abc import Collection

from pi_mjpeg_server.config import Configuration, ConfigurationError, MqttSettings
from pi_mjpeg_server.mqtt.announcement import ONLINE
from pi_mjpeg_server.mqtt.client import Message, MqttClient
from pi_mjpeg_server.mqtt.retained_topics import FILE, load
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.system.identity import identify

CONNECT_TIMEOUT = 10.0
"""Seconds to reach the broker in."""
_ANSWERS_WITHIN = 1.0
_ACKNOWLEDGE_TIMEOUT = 10.0


class PurgeError(Exception):
    """Not everything was taken back; the message says why."""


async def purge(configuration: Configuration) -> int:
    """Take back what the cameras say, what the server remembers, and the claim; return how many topics.

    Raises `PurgeError` when the broker cannot be reached, and when the server runs: it would say everything anew; and
    `ConfigurationError` when there is no broker.
    """
    server, mqtt = configuration.server, configuration.mqtt
    if mqtt.host is None:
        raise ConfigurationError("[mqtt] host is not given, so there is no broker to take anything back from")
    topics = Topics(identify(server.name, server.state_dir).node, mqtt.discovery_prefix)
    file = server.state_dir / FILE
    old = load(file).topics | topics.kept([camera.id for camera in configuration.cameras], "both")
    old |= {topics.core_discovery, topics.claimed}
    purging = _Purging(mqtt, mqtt.host, topics.availability)
    try:
        await purging.clear(old)
    finally:
        await purging.client.stop()
    file.unlink(missing_ok=True)
    return len(old)


class _Purging:
    """A connection for one purpose."""

    def __init__(self, settings: MqttSettings, host: str, availability: str) -> None:
        self.client = MqttClient(settings, host, None, self)
        self._availability = availability
        self._reason = "it does not answer"
        self._is_connected = asyncio.Event()
        self._runs = False

    async def clear(self, topics: Collection[str]) -> None:
        self.client.start()
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                await self._is_connected.wait()
        except TimeoutError:
            raise PurgeError(f"nothing is taken back, there is no connection to the broker: {self._reason}") from None
        self.client.subscribe(self._availability)
        await asyncio.sleep(_ANSWERS_WITHIN)
        if self._runs:
            raise PurgeError("nothing is taken back: the server is online and would say it again; stop it first")
        for topic in topics:
            self.client.publish(topic, "")
        if not await self.client.all_taken(_ACKNOWLEDGE_TIMEOUT):
            raise PurgeError("the broker did not take all of it; try again")

    def connected(self) -> None:
        self._is_connected.set()

    def disconnected(self, reason: str) -> None:
        self._reason = reason

    def received(self, message: Message) -> None:
        self._runs = message.payload == ONLINE.encode()
