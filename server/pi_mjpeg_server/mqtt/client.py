"""The connection to the broker, kept up: lost ones are made anew, and what waits to be said is never an old queue."""

import asyncio
import contextlib
import logging
import random
import secrets
import time
from collections.abc import Sequence
from functools import partial
from typing import Protocol

from paho.mqtt.enums import MQTTProtocolVersion
from paho.mqtt.reasoncodes import ReasonCode

from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt.connection import Connection, Message, Will, dial, in_thread
from pi_mjpeg_server.mqtt.disconnect_reason import DisconnectReason, failed
from pi_mjpeg_server.mqtt.outbox import Outbox

__all__ = ["ClientListener", "Message", "MqttClient", "Will"]

_LOGGER = logging.getLogger(__name__)

RETRY_AFTER = (0.5, 1.0, 2.0)
"""Seconds before each new try; the last one holds for all that follow, so that a restarted broker is found soon."""
REFUSED_AFTER = (0.5, 5.0, 10.0, 20.0, 40.0, 60.0)
"""Seconds where the broker says no: brokers log each try, and some ban an address for too many."""
STEADY = 10.0
"""Seconds after which a connection has proved itself, and the next try after its end comes soon again."""
FAREWELL = 3.0
"""Seconds that a clean stop waits for the broker to take the last message."""


class ClientListener(Protocol):
    """Who is told how the connection is; it may not raise."""

    def connected(self) -> None:
        """The broker took us; nothing is subscribed to yet."""

    def disconnected(self, reason: str) -> None:
        """There is no connection; another try follows by itself."""

    def received(self, message: Message) -> None:
        """A message came."""


class MqttClient:
    """One connection that is kept up. Its methods belong to the event loop and never wait for the network.

    The client id is this process's own: two clients of one id would throw each other out, over and over.
    """

    def __init__(self, settings: MqttSettings, host: str, will: Will | None, listener: ClientListener) -> None:
        """Prepare a client; nothing is connected yet."""
        self._settings = settings
        self._host = host
        self._broker = f"{host}:{settings.port}"
        self._will = will
        self._listener = listener
        self._client_id = f"pi_mjpeg_{secrets.token_hex(8)}"
        self._version = MQTTProtocolVersion.MQTTv5
        self._version_is_right = False
        self._connection: Connection | None = None
        self._outbox = Outbox(lambda *_: 0)
        self._all_taken = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()
        self._troubled = True
        self._welcomed = False
        self._leaving = False
        self._keeping: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to connect."""
        self._keeping = asyncio.create_task(self._keep_up(), name="mqtt")

    def subscribe(self, *topics: str) -> None:
        """Ask for what others say on these topics."""
        if self._connection is not None:
            self._connection.subscribe(*topics)

    def publish(self, topic: str, payload: str, *, retain: bool = True) -> None:
        """Say this, at least once; an empty retained message takes back what was retained there.

        Without a connection it is not kept: whoever hears `connected` says everything anew.
        """
        if self._welcomed:
            self._all_taken.clear()
            self._outbox.put(topic, payload, retain=retain)

    def local_address(self) -> str | None:
        """Return the address that we reach the broker from: one by which its network reaches us."""
        return self._connection.local_address() if self._connection is not None else None

    async def all_taken(self, seconds: float) -> bool:
        """Wait until the broker has everything, and tell whether it has."""
        if not self._welcomed:
            return False
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._all_taken.wait()
        return self._welcomed and self._outbox.empty

    async def stop(self) -> None:
        """Say the last will ourselves, wait until the broker has it, and leave.

        It never takes longer than a few seconds.
        """
        self._leaving = True
        connection = self._connection
        if connection is not None and self._welcomed:
            if self._will is not None:
                self._outbox.drop()
                self.publish(self._will.topic, self._will.payload)
                await self.all_taken(FAREWELL)
            await connection.leave()
        if self._keeping is not None:
            self._keeping.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._keeping

    def welcomed(self, most_under_way: int) -> None:
        """Begin to talk (from the connection)."""
        if self._connection is None:
            return
        self._welcomed = self._version_is_right = True
        self._outbox = Outbox(self._connection.publish, most_under_way)
        self._all_taken.set()
        if self._troubled:
            _LOGGER.info("MQTT: connected to %s", self._broker)
            self._troubled = False
        self._listener.connected()

    def subscribed(self, topics: Sequence[str], answers: Sequence[ReasonCode]) -> None:
        """Say what the broker does not let us hear (from the connection)."""
        for topic, answer in zip(topics, answers, strict=False):
            if answer.is_failure:
                self._rate_limited_log.warn(topic, f"MQTT: the broker does not let us listen to {topic}: {answer}")

    def taken(self, number: int, answer: ReasonCode) -> None:
        """Go on with what waits (from the connection)."""
        topic = self._outbox.taken(number)
        if answer.is_failure:
            self._rate_limited_log.warn(topic, f"MQTT: the broker does not let us write to {topic}: {answer}")
        if self._outbox.empty:
            self._all_taken.set()

    def received(self, message: Message) -> None:
        """Pass it on (from the connection)."""
        self._listener.received(message)

    async def _keep_up(self) -> None:
        tries = 0
        while True:
            began = time.monotonic()
            ending = await self._connect_once()
            if self._leaving:
                return
            steady = self._welcomed and time.monotonic() - began > STEADY
            self._welcomed, self._connection = False, None
            self._all_taken.set()
            if steady:
                tries = 0
                self._rate_limited_log.reset()
            if self._rate_limited_log.warn(ending.reason, f"MQTT: {self._broker}: {ending.reason}; trying again"):
                self._troubled = True
            self._listener.disconnected(ending.reason)
            # A broker that took us once and then hangs up is restarting.
            unknown = ending.other_version and not self._version_is_right
            if unknown:
                self._version = _OTHER[self._version]
            waits = REFUSED_AFTER if ending.refused and (unknown or not ending.other_version) else RETRY_AFTER
            # After a power cut a whole house connects at once.
            jitter = random.uniform(0.8, 1.2)  # noqa: S311  (jitter)
            await asyncio.sleep(waits[min(tries, len(waits) - 1)] * jitter)
            tries += 1

    async def _connect_once(self) -> DisconnectReason:
        call = partial(dial, self._settings, self._host, self._client_id, self._version, self._will)
        try:
            client = await in_thread(call)
        except (OSError, ValueError) as error:
            return failed(error)
        self._connection = Connection(client, self)
        return await self._connection.run()


_OTHER = {
    MQTTProtocolVersion.MQTTv5: MQTTProtocolVersion.MQTTv311,
    MQTTProtocolVersion.MQTTv311: MQTTProtocolVersion.MQTTv5,
}
