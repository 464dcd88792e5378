"""One connection to the broker: paho's protocol engine, driven by the event loop from the first answer to the end."""

import asyncio
import contextlib
import logging
import ssl
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, cast

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.mqtt import credentials
from pi_mjpeg_server.mqtt.disconnect_reason import GARBAGE, HUNG_UP, SILENT, TOO_LARGE, DisconnectReason, lost, refused

if TYPE_CHECKING:
    import socket

_LOGGER = logging.getLogger(__name__)
_T = TypeVar("_T")

KEEPALIVE = 10
"""Seconds; a broker calls a client dead after one and a half times that. Mosquitto looks only every five seconds."""
CONNACK_TIMEOUT = 8.0
"""Seconds a broker may take to say whether it takes us; after a keepalive, paho would say less clearly why it ends."""
MAX_PACKET_BYTES = 64 * 1024
"""Bytes; an MQTT 5 broker keeps longer messages to itself (MQTT 5, 3.1.2.11.4)."""

_TICK = 1.0


@dataclass(frozen=True, slots=True)
class Message:
    """What came from the broker; `retained` ones were said before we came."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """What the broker says in our name, retained, when we are cut off."""

    topic: str
    payload: str


class ConnectionListener(Protocol):
    """Who is told what happens on a connection; it may not raise."""

    def welcomed(self, most_under_way: int) -> None:
        """The broker took us, and lets that many messages be on their way at once."""

    def subscribed(self, topics: Sequence[str], answers: Sequence[ReasonCode]) -> None:
        """The broker answered, for each topic."""

    def taken(self, number: int, answer: ReasonCode) -> None:
        """The broker has our message of this number, or refuses it."""

    def received(self, message: Message) -> None:
        """A message came."""


def dial(
    settings: MqttSettings, host: str, client_id: str, version: MQTTProtocolVersion, will: Will | None
) -> paho.Client:
    """Connect and greet the broker; its answer is still to come. Takes long where a network is slow: not for the loop.

    Raises `OSError` or `ValueError` when that cannot be.
    """
    # Paho would connect again by itself; a new client for each connection has no past to carry on.
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False)
    if settings.username is not None:
        client.username_pw_set(settings.username, credentials.password(settings))
    context = credentials.tls(settings)
    if context is not None:
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=True)
    properties = None
    if version is MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # paho left its types out
        properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect(host, settings.port, KEEPALIVE, properties=properties)
    if client.socket() is None:
        raise ConnectionResetError("it hung up at the greeting")
    return client


async def in_thread(call: Callable[[], _T]) -> _T:
    """Return what `call` returns, from a thread that holds nothing up.

    The event loop's own threads would: the process does not end before they do, and a name server or a TLS handshake
    may take a minute to fail.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[_T] = loop.create_future()

    def settle(settling: Callable[[Any], None], outcome: object) -> None:
        if not future.done():
            settling(outcome)

    def run() -> None:
        settling: Callable[[Any], None] = future.set_result
        outcome: object
        try:
            outcome = call()
        except Exception as error:  # noqa: BLE001  (raised again where it is awaited)
            settling, outcome = future.set_exception, error
        # The loop may be gone at the end of the process, when nobody is left to tell.
        with contextlib.suppress(RuntimeError):
            loop.call_soon_threadsafe(settle, settling, outcome)

    threading.Thread(target=run, name="mqtt-dial", daemon=True).start()
    return await future


class Connection:
    """A dialled client, driven until its connection ends. All of it belongs to the event loop and never waits."""

    def __init__(self, client: paho.Client, listener: ConnectionListener) -> None:
        """Take over a client that has dialled."""
        self._client = client
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[DisconnectReason] = self._loop.create_future()
        self._answered = False
        self._asked: dict[int, Sequence[str]] = {}
        self._socket = cast("socket.socket", client.socket())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_much_to_write
        client.on_socket_unregister_write = self._on_all_written
        client.on_socket_close = self._on_socket_close
        self._loop.add_reader(self._socket, self._drive, self._read)

    async def run(self) -> DisconnectReason:
        """Keep it going until it ends."""
        deadline = self._loop.time() + CONNACK_TIMEOUT
        try:
            while not self._ended.done():
                await asyncio.wait([self._ended], timeout=_TICK)
                self._drive(self._client.loop_misc)
                if not self._answered and self._loop.time() > deadline:
                    self._end(SILENT)
            return self._ended.result()
        finally:
            self._close()

    def subscribe(self, *topics: str) -> None:
        """Ask for what others say on these topics."""
        if self._client.protocol is MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=1, noLocal=True)
            _, number = self._client.subscribe([(topic, options) for topic in topics])
        else:
            _, number = self._client.subscribe([(topic, 1) for topic in topics])
        if number is not None:
            self._asked[number] = topics

    def publish(self, topic: str, payload: str, retain: bool) -> int:  # noqa: FBT001  (the outbox's signature)
        """Send a message that the broker has to confirm, and return its number."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def local_address(self) -> str | None:
        """Return the address that we reach the broker from: one by which its network reaches us."""
        with contextlib.suppress(OSError):
            return str(self._socket.getsockname()[0])
        return None

    async def leave(self) -> None:
        """Take leave of the broker, so that it does not say our last will."""
        self._client.disconnect()
        await asyncio.wait([self._ended], timeout=_TICK)
        self._close()

    def _drive(self, step: Callable[[], MQTTErrorCode]) -> None:
        try:
            step()
        except Exception:  # paho raises whatever its parser stumbles over
            _LOGGER.debug("MQTT: a packet cannot be read", exc_info=True)
            self._end(GARBAGE)
            self._close()

    def _read(self) -> MQTTErrorCode:
        code = self._client.loop_read()
        # A broker of MQTT 3.1.1 knows no limit, and paho would take a message of 256 MB.
        if self._client._in_packet["remaining_length"] > MAX_PACKET_BYTES:  # noqa: SLF001  (told nowhere else)
            self._end(TOO_LARGE)
            self._close()
        # What TLS has decrypted already does not wake the loop again.
        elif code == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._ended.done() and self._pending():
            self._loop.call_soon(self._drive, self._read)
        return code

    def _pending(self) -> int:
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def _end(self, ending: DisconnectReason) -> None:
        if not self._ended.done():
            self._ended.set_result(ending)

    def _let_go(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)

    def _close(self) -> None:
        if self._socket.fileno() >= 0:
            self._let_go()
            self._socket.close()

    def _on_much_to_write(self, *_: object) -> None:
        self._loop.add_writer(self._socket, self._drive, self._client.loop_write)

    def _on_all_written(self, *_: object) -> None:
        self._loop.remove_writer(self._socket)

    def _on_socket_close(self, *_: object) -> None:
        self._let_go()

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, properties: Properties | None
    ) -> None:
        self._answered = True
        if reason.is_failure:
            self._end(refused(reason))
        else:
            self._listener.welcomed(getattr(properties, "ReceiveMaximum", 0xFFFF))

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, reason: ReasonCode, _properties: object
    ) -> None:
        self._end(lost(reason) if self._answered else HUNG_UP)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, number: int, answers: list[ReasonCode], _properties: object
    ) -> None:
        self._listener.subscribed(self._asked.pop(number, ()), answers)

    def _on_publish(
        self, _client: paho.Client, _data: object, number: int, reason: ReasonCode, _properties: object
    ) -> None:
        self._listener.taken(number, reason)

    def _on_message(self, _client: paho.Client, _data: object, received: paho.MQTTMessage) -> None:
        try:
            topic = received.topic
        except UnicodeDecodeError:
            return
        self._listener.received(Message(topic, bytes(received.payload), received.retain))
