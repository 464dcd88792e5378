"""An MQTT client that subscribes to every topic and remembers what it receives."""

import queue
import secrets
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Remembers the retained message of each topic, and all messages in order."""

    def __init__(self, port: int) -> None:
        """Connect to the broker at 127.0.0.1 and subscribe to `#`."""
        self.port = port
        self.retained: dict[str, str] = {}
        self.messages: list[tuple[str, str]] = []
        """Topic and payload of all messages, in order."""
        self.live_messages: list[tuple[str, str]] = []
        """Topic and payload of the messages published since the subscription."""
        self._subscribed: queue.Queue[None] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test_{secrets.token_hex(4)}")
        self._client.on_message = self._on_message
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        self._subscribed.get(timeout=5)

    def close(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def publish(self, topic: str, payload: str | bytes, *, retain: bool = False, wait: bool = True) -> None:
        """Publish a message and, unless `wait` is false, wait until the broker acknowledges it."""
        info = self._client.publish(topic, payload, qos=1, retain=retain)
        if wait:
            info.wait_for_publish(5)

    def wait(self, condition: Callable[["Listener"], bool], seconds: float = 10.0) -> float:
        """Wait until a condition holds and return how long it took; fails when it takes longer than `seconds`."""
        start = time.monotonic()
        while not condition(self):
            assert time.monotonic() - start < seconds, f"not published in time; retained: {self.retained}"
            time.sleep(0.02)
        return time.monotonic() - start

    def wait_for_retained(self, topic: str, payload: str, seconds: float = 10.0) -> float:
        """Wait until the retained message of a topic has this payload, and return how long it took."""
        return self.wait(lambda listener: listener.retained.get(topic) == payload, seconds)

    def _on_message(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401  (paho's)
        text = message.payload.decode(errors="replace")
        self.messages.append((message.topic, text))
        if not message.retain:
            self.live_messages.append((message.topic, text))
        # A new dictionary each time, so that a test can iterate while the next message comes.
        others = {topic: payload for topic, payload in self.retained.items() if topic != message.topic}
        self.retained = {**others, message.topic: text} if text else others
