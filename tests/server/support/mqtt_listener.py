"""Somebody who listens at the broker: what it holds, and what is said there."""

import queue
import secrets
import time
from collections.abc import Callable
from typing import Any

from paho.mqtt import client as paho
from paho.mqtt.enums import CallbackAPIVersion


class Listener:
    """Remembers what is retained now, and everything that was said, in order."""

    def __init__(self, port: int) -> None:
        """Listen to everything on the broker at 127.0.0.1."""
        self.port = port
        self.retained: dict[str, str] = {}
        self.said: list[tuple[str, str]] = []
        self.live: list[tuple[str, str]] = []
        """What was said since we came, and not kept from before."""
        self._subscribed: queue.Queue[None] = queue.Queue()
        self._client = paho.Client(CallbackAPIVersion.VERSION2, client_id=f"test_{secrets.token_hex(4)}")
        self._client.on_message = self._heard
        self._client.on_subscribe = lambda *_: self._subscribed.put(None)
        self._client.connect("127.0.0.1", port)
        self._client.loop_start()
        self._client.subscribe("#", qos=1)
        self._subscribed.get(timeout=5)

    def close(self) -> None:
        """Listen no longer."""
        self._client.disconnect()
        self._client.loop_stop()

    def say(self, topic: str, payload: str | bytes, *, retain: bool = False, wait: bool = True) -> None:
        """Publish a message and wait until the broker has it, unless there is more to say."""
        said = self._client.publish(topic, payload, qos=1, retain=retain)
        if wait:
            said.wait_for_publish(5)

    def wait(self, condition: Callable[["Listener"], bool], seconds: float = 10.0) -> float:
        """Wait until a condition holds and return how long it took; fails when it takes longer than `seconds`."""
        began = time.monotonic()
        while not condition(self):
            assert time.monotonic() - began < seconds, f"it was not said in time; retained: {self.retained}"
            time.sleep(0.02)
        return time.monotonic() - began

    def wait_for(self, topic: str, payload: str, seconds: float = 10.0) -> float:
        """Wait until that stands retained on a topic."""
        return self.wait(lambda listener: listener.retained.get(topic) == payload, seconds)

    def _heard(self, _client: paho.Client, _userdata: Any, message: paho.MQTTMessage) -> None:  # noqa: ANN401  (paho's)
        text = message.payload.decode(errors="replace")
        self.said.append((message.topic, text))
        if not message.retain:
            self.live.append((message.topic, text))
        # Made anew each time, so that a test can walk through it while the next message comes.
        others = {topic: kept for topic, kept in self.retained.items() if topic != message.topic}
        self.retained = {**others, message.topic: text} if text else others
