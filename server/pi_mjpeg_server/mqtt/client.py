"""The connection to the broker: paho's client in its own thread, its news brought to the event loop."""

import asyncio
import contextlib
import logging
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pi_mjpeg_server.config import MqttSettings

_LOGGER = logging.getLogger(__name__)

KEEPALIVE = 15
"""Seconds; a broker calls a client dead after one and a half times that, so a power cut shows in 23 s."""
LARGEST_PACKET = 64 * 1024
"""Bytes; a broker keeps longer messages to itself (MQTT 5, 3.1.2.11.4)."""
FAREWELL = 3.0
"""Seconds that a clean stop waits for the broker to take the last message."""

_MOST_WAITING = 64
_MOST_QUEUED = 100


@dataclass(frozen=True, slots=True)
class Message:
    """What came from the broker; `retained` ones were said before we came."""

    topic: str
    payload: bytes
    retained: bool


class ClientListener(Protocol):
    """Who is told, on the event loop, how the connection is."""

    def connected(self) -> None:
        """The broker took us; nothing is subscribed to yet."""

    def disconnected(self, reason: str) -> None:
        """There is no connection; another try follows by itself."""

    def received(self, message: Message) -> None:
        """A message came."""


class MqttClient:
    """One connection that is kept up. Its methods belong to the event loop and never wait for the network."""

    def __init__(self, settings: MqttSettings, host: str, will_topic: str, will: str, listener: ClientListener) -> None:
        """Prepare a client; the broker says `will` on `will_topic`, retained, if we are cut off.

        Raises `OSError` when the password file cannot be read.
        """
        self._host, self._port = host, settings.port
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._client = paho.Client(
            CallbackAPIVersion.VERSION2,
            # Two clients of one id throw each other out, over and over.
            client_id=f"pi_mjpeg_{secrets.token_hex(8)}",
            protocol=MQTTProtocolVersion.MQTTv5,
        )
        if settings.username is not None:
            self._client.username_pw_set(settings.username, _password(settings.password_file))
        self._client.will_set(will_topic, will, qos=1, retain=True)
        self._client.reconnect_delay_set(1, 30)
        self._client.max_queued_messages_set(_MOST_QUEUED)
        self._client.on_connect = self._on_connect
        self._client.on_connect_fail = self._on_connect_fail
        self._client.on_disconnect = self._on_disconnect
        self._client.on_message = self._on_message

    def start(self) -> None:
        """Begin to connect."""
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left its types out
        properties.MaximumPacketSize = LARGEST_PACKET
        self._client.connect_async(self._host, self._port, KEEPALIVE, properties=properties)
        self._client.loop_start()

    def subscribe(self, *topics: str) -> None:
        """Ask for these topics."""
        self._client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])

    def publish(self, topic: str, payload: str, *, retain: bool = True) -> None:
        """Send a message, at least once; an empty retained one takes back what was retained there."""
        self._client.publish(topic, payload, qos=1, retain=retain)

    def local_address(self) -> str | None:
        """Return the address that we reach the broker from: one by which its network reaches us."""
        sock = self._client.socket()
        with contextlib.suppress(AttributeError, OSError):
            return str(sock.getsockname()[0])  # type: ignore[union-attr]  # gone meanwhile: AttributeError
        return None

    async def stop(self, topic: str, farewell: str) -> None:
        """Say `farewell`, wait until the broker has it, and leave; never longer than a few seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL + 1):
                await asyncio.to_thread(self._leave, topic, farewell)

    def _leave(self, topic: str, farewell: str) -> None:
        if self._client.is_connected():
            with contextlib.suppress(RuntimeError, ValueError):
                self._client.publish(topic, farewell, qos=1, retain=True).wait_for_publish(FAREWELL)
        self._client.disconnect()
        self._client.loop_stop()

    def _on_connect(
        self,
        _client: paho.Client,
        _userdata: Any,  # noqa: ANN401  (paho's type)
        _flags: paho.ConnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        if reason.is_failure:
            self._tell(lambda: self._listener.disconnected(f"the broker refused: {reason}"))
        else:
            self._tell(self._listener.connected)

    def _on_connect_fail(self, _client: paho.Client, _userdata: Any) -> None:  # noqa: ANN401  (paho's type)
        self._tell(lambda: self._listener.disconnected("the broker cannot be reached"))

    def _on_disconnect(
        self,
        _client: paho.Client,
        _userdata: Any,  # noqa: ANN401  (paho's type)
        _flags: paho.DisconnectFlags,
        reason: ReasonCode,
        _properties: Properties | None,
    ) -> None:
        self._tell(lambda: self._listener.disconnected(f"the connection ended: {reason}"))

    def _on_message(self, _client: paho.Client, _userdata: Any, received: paho.MQTTMessage) -> None:  # noqa: ANN401
        if self._waiting >= _MOST_WAITING:
            return
        self._waiting += 1
        message = Message(received.topic, bytes(received.payload), received.retain)

        def hand_over() -> None:
            self._waiting -= 1
            self._listener.received(message)

        self._tell(hand_over)

    def _tell(self, call: Callable[[], None]) -> None:
        # The loop may be gone at the end of the process, when nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            self._loop.call_soon_threadsafe(call)


def _password(file: Path | None) -> str | None:
    return file.read_text().rstrip("\r\n") if file is not None else None
