"""The MQTT client: keeps one connection to the broker, and reconnects when it ends."""

import asyncio
import logging
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from pi_mjpeg_server.concurrency.backoff import retry_delay
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.concurrency.threads import run_in_daemon_thread
from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt.connection import Connection, Message, Will, open_connection
from pi_mjpeg_server.mqtt.disconnect_reason import DisconnectReason, from_error
from pi_mjpeg_server.mqtt.outbox import Outbox

__all__ = ["ClientListener", "Message", "MqttClient", "Will"]

_LOGGER = logging.getLogger(__name__)

RETRY_DELAYS = (0.5, 1.0, 2.0)
"""Seconds before each new attempt. The last one holds for all later, so that a restarted broker is found soon."""
REFUSED_RETRY_DELAYS = (0.5, 5.0, 10.0, 20.0, 40.0, 60.0)
"""The same after a refusal: brokers log each attempt, and some ban an address after too many."""
STABLE_AFTER = 10.0
"""Seconds after which a connection counts as stable: when it ends, the delays start from the first again."""
STOP_TIMEOUT = 3.0
"""Seconds that `stop` waits for the broker to acknowledge the last message."""

_OTHER_VERSION = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}


class ClientListener(Protocol):
    """Receives what happens at the broker. Its methods must not raise."""

    def connected(self) -> None:
        """The broker accepted the connection; nothing is subscribed yet."""

    def disconnected(self, reason: str) -> None:
        """There is no connection; the client tries again by itself."""

    def received(self, message: Message) -> None:
        """A message came."""


class MqttClient:
    """A client that stays connected. Its methods belong to the event loop and never block on the network.

    The client id is random: a broker disconnects the first of two clients that have the same id.
    """

    def __init__(self, settings: MqttSettings, host: str, will: Will | None, listener: ClientListener) -> None:
        """Prepare to connect to `host`; `start` connects."""
        self._settings = settings
        self._host = host
        self._broker = f"{host}:{settings.port}"
        self._will = will
        self._listener = listener
        self._client_id = f"pi_mjpeg_{secrets.token_hex(8)}"
        self._version = MQTTProtocolVersion.MQTTv5
        self._version_is_known = False
        self._connection: Connection | None = None
        self._outbox = Outbox(lambda *_: 0)
        self._all_acknowledged = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()
        # The first connection is logged, and then each one after a logged failure.
        self._log_connection = True
        self._connected = False
        self._stopping = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Connect in the background."""
        self._task = create_logged_task(self._run(), "mqtt-client")

    def subscribe(self, *topics: str) -> None:
        """Subscribe to these topics for the present connection."""
        if self._connection is not None:
            self._connection.subscribe(*topics)

    def publish(self, topic: str, payload: str, *, retain: bool = True) -> None:
        """Publish with QoS 1. An empty retained message clears the retained message of the topic.

        Without a connection, and once `stop` is called, the message is dropped: the listener publishes everything again
        in `connected`.
        """
        if self._connected and not self._stopping:
            self._all_acknowledged.clear()
            self._outbox.put(topic, payload, retain=retain)

    def local_address(self) -> str | None:
        """Return the address of this end of the connection, or None without a connection."""
        return self._connection.local_address() if self._connection is not None else None

    async def flush(self, seconds: float) -> bool:
        """Wait at most `seconds` until the broker has acknowledged every message, and return whether it has."""
        if not self._connected:
            return False
        await wait_for_event(self._all_acknowledged, seconds)
        return self._connected and self._outbox.empty

    async def stop(self) -> None:
        """Publish the last will, wait until the broker has it, and disconnect; takes a few seconds at most."""
        connection = self._connection if self._connected else None
        if connection is not None and self._will is not None:
            self._outbox.clear()
            self.publish(self._will.topic, self._will.payload)
        # From here on `publish` drops everything: the will is the last message.
        self._stopping = True
        if connection is not None:
            if self._will is not None:
                await self.flush(STOP_TIMEOUT)
            await connection.disconnect()
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])

    def connected(self, receive_maximum: int) -> None:
        """Start with an empty outbox (called by the connection)."""
        if self._connection is None:
            return
        self._connected = self._version_is_known = True
        self._outbox = Outbox(self._connection.publish, receive_maximum)
        self._all_acknowledged.set()
        if self._log_connection:
            _LOGGER.info("MQTT: connected to %s", self._broker)
            self._log_connection = False
        self._listener.connected()

    def subscribed(self, topics: Sequence[str], codes: Sequence[ReasonCode]) -> None:
        """Log which topics the broker refuses (called by the connection)."""
        for topic, code in zip(topics, codes, strict=False):
            if code.is_failure:
                self._rate_limited_log.warn(topic, f"MQTT: the broker refuses the subscription to {topic}: {code}")

    def acknowledged(self, packet_id: int, code: ReasonCode) -> None:
        """Send the next message (called by the connection)."""
        topic = self._outbox.acknowledged(packet_id)
        if code.is_failure:
            self._rate_limited_log.warn(topic, f"MQTT: the broker refuses messages on {topic}: {code}")
        if self._outbox.empty:
            self._all_acknowledged.set()

    def received(self, message: Message) -> None:
        """Pass a message to the listener (called by the connection)."""
        self._listener.received(message)

    async def _run(self) -> None:
        attempt = 0
        while True:
            started = time.monotonic()
            reason = await self._connect_once()
            if self._stopping:
                return
            stable = self._connected and time.monotonic() - started > STABLE_AFTER
            self._connected, self._connection = False, None
            self._all_acknowledged.set()
            if stable:
                attempt = 0
                self._rate_limited_log.reset()
            if self._rate_limited_log.warn(reason.text, f"MQTT: {self._broker}: {reason.text}; trying again"):
                self._log_connection = True
            self._listener.disconnected(reason.text)
            # A broker that accepted this version before is only restarting.
            restarting = reason.try_other_version and self._version_is_known
            if reason.try_other_version and not restarting:
                self._version = _OTHER_VERSION[self._version]
            delays = REFUSED_RETRY_DELAYS if reason.refused and not restarting else RETRY_DELAYS
            await asyncio.sleep(retry_delay(delays, attempt))
            attempt += 1

    async def _connect_once(self) -> DisconnectReason:
        call = partial(open_connection, self._settings, self._host, self._client_id, self._version, self._will)
        try:
            client = await run_in_daemon_thread(call, "mqtt-connect")
        except (OSError, ValueError) as error:
            return from_error(error)
        self._connection = Connection(client, self)
        return await self._connection.run()
