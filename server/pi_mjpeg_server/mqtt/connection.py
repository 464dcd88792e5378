"""One connection to the broker: paho's protocol engine, driven by the event loop."""

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ParamSpec, Protocol, cast

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from pi_mjpeg_server.config import MqttSettings
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import broker_security
from pi_mjpeg_server.mqtt.disconnect_reason import (
    CLOSED_BEFORE_CONNACK,
    NO_CONNACK,
    NOT_MQTT,
    PACKET_TOO_LARGE,
    DisconnectReason,
    from_connack,
    from_disconnect,
)

if TYPE_CHECKING:
    import socket

_LOGGER = logging.getLogger(__name__)
_P = ParamSpec("_P")

KEEPALIVE = 10
"""Seconds. A broker takes a client for dead after one and a half times that; Mosquitto checks every five seconds."""
CONNACK_TIMEOUT = 8.0
"""Seconds the broker may take to accept or refuse. Less than the keepalive, at which paho gives a vaguer reason."""
MAX_PACKET_BYTES = 64 * 1024
"""A broker of MQTT 5 discards larger packets instead of sending them (MQTT 5, 3.1.2.11.4)."""

_MISC_INTERVAL = 1.0
"""Seconds between the calls in which paho checks the keepalive."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message from the broker; a `retained` one was published before we subscribed."""

    topic: str
    payload: bytes
    retained: bool


@dataclass(frozen=True, slots=True)
class Will:
    """The last will: the broker publishes it, retained, when the connection is lost."""

    topic: str
    payload: str


class ConnectionListener(Protocol):
    """Receives what happens on a connection. Its methods must not raise."""

    def connected(self, receive_maximum: int) -> None:
        """The broker accepted the connection and allows so many unacknowledged messages."""

    def subscribed(self, topics: Sequence[str], codes: Sequence[ReasonCode]) -> None:
        """The broker answered a subscription, with one code for each topic."""

    def acknowledged(self, packet_id: int, code: ReasonCode) -> None:
        """The broker accepted a published message or refused it."""

    def received(self, message: Message) -> None:
        """A message came."""


def open_connection(
    settings: MqttSettings, host: str, client_id: str, version: MQTTProtocolVersion, will: Will | None
) -> paho.Client:
    """Connect and send CONNECT; the CONNACK is still to come. Blocks while the network is slow: call it in a thread.

    Raises `OSError` or `ValueError` if the credentials cannot be read or the broker cannot be reached.
    """
    # Paho would reconnect by itself. A new client for each connection carries over no state from the last one.
    client = paho.Client(CallbackAPIVersion.VERSION2, client_id, protocol=version, reconnect_on_failure=False)
    if settings.username is not None:
        client.username_pw_set(settings.username, broker_security.password(settings))
    context = broker_security.tls_context(settings)
    if context is not None:
        client.tls_set_context(context)
    if will is not None:
        client.will_set(will.topic, will.payload, qos=1, retain=True)
    properties = None
    if version is MQTTProtocolVersion.MQTTv5:
        properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]  # untyped in paho
        properties.MaximumPacketSize = MAX_PACKET_BYTES
    client.connect(host, settings.port, KEEPALIVE, properties=properties)
    if client.socket() is None:
        raise ConnectionResetError("the broker closed the connection after CONNECT")
    return client


class Connection:
    """An open connection, until it ends. Its methods belong to the event loop and never block."""

    def __init__(self, client: paho.Client, listener: ConnectionListener) -> None:
        """Drive the client that `open_connection` returned."""
        self._client = client
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._reason: asyncio.Future[DisconnectReason] = self._loop.create_future()
        self._has_connack = False
        self._rate_limited_log = RateLimitedLog()
        self._subscriptions: dict[int, Sequence[str]] = {}
        self._socket = cast("socket.socket", client.socket())
        client.on_connect = self._on_connect
        client.on_disconnect = self._on_disconnect
        client.on_subscribe = self._on_subscribe
        client.on_publish = self._on_publish
        client.on_message = self._on_message
        client.on_socket_register_write = self._on_socket_register_write
        client.on_socket_unregister_write = self._on_socket_unregister_write
        client.on_socket_close = self._on_socket_close
        self._loop.add_reader(self._socket, self._call_paho, self._read)

    async def run(self) -> DisconnectReason:
        """Drive the connection until it ends, and return why it ended."""
        deadline = self._loop.time() + CONNACK_TIMEOUT
        try:
            while not self._reason.done():
                await asyncio.wait([self._reason], timeout=_MISC_INTERVAL)
                self._call_paho(self._client.loop_misc)
                if not self._has_connack and self._loop.time() > deadline:
                    self._end(NO_CONNACK)
            return self._reason.result()
        finally:
            self._close()

    def subscribe(self, *topics: str) -> None:
        """Subscribe to these topics, without what this client publishes there itself (MQTT 5 only)."""
        if self._client.protocol is MQTTProtocolVersion.MQTTv5:
            options = SubscribeOptions(qos=1, noLocal=True)
            _, packet_id = self._client.subscribe([(topic, options) for topic in topics])
        else:
            _, packet_id = self._client.subscribe([(topic, 1) for topic in topics])
        if packet_id is not None:
            self._subscriptions[packet_id] = topics

    def publish(self, topic: str, payload: str, retain: bool) -> int:  # noqa: FBT001  (the outbox's signature)
        """Send a message that the broker acknowledges (QoS 1), and return its packet id."""
        return self._client.publish(topic, payload, qos=1, retain=retain).mid

    def local_address(self) -> str | None:
        """Return the address of this end of the connection, or None if it is closed."""
        with contextlib.suppress(OSError):
            return str(self._socket.getsockname()[0])
        return None

    async def disconnect(self) -> None:
        """Send DISCONNECT, so that the broker does not publish the last will, and close."""
        self._client.disconnect()
        await asyncio.wait([self._reason], timeout=_MISC_INTERVAL)
        self._close()

    def _call_paho(self, step: Callable[[], MQTTErrorCode]) -> None:
        try:
            step()
        except Exception:  # paho's parser raises errors of many kinds
            _LOGGER.debug("MQTT: a packet cannot be parsed", exc_info=True)
            self._end(NOT_MQTT)
            self._close()

    def _notify(self, method: Callable[_P, None], *args: _P.args, **kwargs: _P.kwargs) -> None:
        """Call a method of the listener. A bug in it is logged as such, and not taken for a packet of the broker."""
        try:
            method(*args, **kwargs)
        except Exception as error:  # noqa: BLE001  (logged with its traceback)
            name = getattr(method, "__qualname__", str(method))
            self._rate_limited_log.exception(name, f"MQTT: {name} raised an exception", error)

    def _read(self) -> MQTTErrorCode:
        code = self._client.loop_read()
        # MQTT 3.1.1 has no Maximum Packet Size, and paho would accept a packet of 256 MB.
        if self._client._in_packet["remaining_length"] > MAX_PACKET_BYTES:  # noqa: SLF001  (no public attribute has it)
            self._end(PACKET_TOO_LARGE)
            self._close()
        # Bytes that TLS has already decrypted do not make the socket readable again.
        elif code == MQTTErrorCode.MQTT_ERR_SUCCESS and not self._reason.done() and self._pending():
            self._loop.call_soon(self._call_paho, self._read)
        return code

    def _pending(self) -> int:
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def _end(self, reason: DisconnectReason) -> None:
        if not self._reason.done():
            self._reason.set_result(reason)

    def _remove_from_loop(self) -> None:
        self._loop.remove_reader(self._socket)
        self._loop.remove_writer(self._socket)

    def _close(self) -> None:
        if self._socket.fileno() >= 0:
            self._remove_from_loop()
            self._socket.close()

    def _on_socket_register_write(self, *_: object) -> None:
        self._loop.add_writer(self._socket, self._call_paho, self._client.loop_write)

    def _on_socket_unregister_write(self, *_: object) -> None:
        self._loop.remove_writer(self._socket)

    def _on_socket_close(self, *_: object) -> None:
        self._remove_from_loop()

    def _on_connect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, properties: Properties | None
    ) -> None:
        self._has_connack = True
        if code.is_failure:
            self._end(from_connack(code))
        else:
            self._notify(self._listener.connected, getattr(properties, "ReceiveMaximum", 0xFFFF))

    def _on_disconnect(
        self, _client: paho.Client, _data: object, _flags: object, code: ReasonCode, _properties: object
    ) -> None:
        self._end(from_disconnect(code) if self._has_connack else CLOSED_BEFORE_CONNACK)

    def _on_subscribe(
        self, _client: paho.Client, _data: object, packet_id: int, codes: list[ReasonCode], _properties: object
    ) -> None:
        self._notify(self._listener.subscribed, self._subscriptions.pop(packet_id, ()), codes)

    def _on_publish(
        self, _client: paho.Client, _data: object, packet_id: int, code: ReasonCode, _properties: object
    ) -> None:
        self._notify(self._listener.acknowledged, packet_id, code)

    def _on_message(self, _client: paho.Client, _data: object, message: paho.MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return
        self._notify(self._listener.received, Message(topic, bytes(message.payload), message.retain))
