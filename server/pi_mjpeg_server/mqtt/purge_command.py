"""Clears everything that this server ever retained at its broker, for a server that is taken out of use."""

import asyncio
from collections.abc import Collection
from contextlib import suppress

from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.config import Configuration, ConfigurationError, MqttSettings
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient
from pi_mjpeg_server.mqtt.retained_topics_file import FILE_NAME, load
from pi_mjpeg_server.mqtt.topics import ONLINE, Topics
from pi_mjpeg_server.storage.safe_open import remove_file
from pi_mjpeg_server.system.identity import identify

CONNECT_TIMEOUT = 10.0
"""Seconds to connect to the broker."""
AVAILABILITY_TIMEOUT = 1.0
"""Seconds for the broker to send the retained availability of a running server."""
ACKNOWLEDGE_TIMEOUT = 10.0
"""Seconds for the broker to acknowledge that all topics are cleared."""


class PurgeError(Exception):
    """Not everything was cleared; the message says why."""


async def purge(configuration: Configuration) -> int:
    """Clear the topics of the configured cameras, the recorded topics and the claim, and return how many they are.

    Raises `PurgeError` if the broker cannot be reached, and if the server is running, as it would publish everything
    again; raises `ConfigurationError` if no broker is configured, and `OSError` if a file of the state folder cannot be
    used.
    """
    server, mqtt = configuration.server, configuration.mqtt
    if mqtt.host is None:
        raise ConfigurationError("[mqtt] host is not given, so there is no broker to clear")
    topics = Topics(identify(server.name, server.state_dir).node, mqtt.discovery_prefix)
    file = server.state_dir / FILE_NAME
    retained = load(file).topics | topics.retained([camera.id for camera in configuration.cameras], "both")
    retained |= {topics.core_discovery, topics.claimed}
    session = _PurgeSession(mqtt, mqtt.host, topics.availability)
    try:
        await session.clear(retained)
    finally:
        await session.client.stop()
    with suppress(FileNotFoundError):
        remove_file(file)
    return len(retained)


class _PurgeSession:
    """The client's listener during a purge."""

    def __init__(self, settings: MqttSettings, host: str, availability_topic: str) -> None:
        self.client = MqttClient(settings, host, None, self)
        self._availability_topic = availability_topic
        self._error = "it does not answer"
        self._connected = asyncio.Event()
        self._server_is_online = False

    async def clear(self, topics: Collection[str]) -> None:
        self.client.start()
        if not await wait_for_event(self._connected, CONNECT_TIMEOUT):
            raise PurgeError(f"nothing is cleared, there is no connection to the broker: {self._error}")
        self.client.subscribe(self._availability_topic)
        await asyncio.sleep(AVAILABILITY_TIMEOUT)
        if self._server_is_online:
            raise PurgeError("nothing is cleared: the server is online and would publish it again; stop it first")
        for topic in topics:
            self.client.publish(topic, "")
        if not await self.client.flush(ACKNOWLEDGE_TIMEOUT):
            raise PurgeError("the broker did not acknowledge everything; try again")

    def connected(self) -> None:
        self._connected.set()

    def disconnected(self, reason: str) -> None:
        self._error = reason

    def received(self, message: Message) -> None:
        self._server_is_online = message.payload == ONLINE.encode()
