"""Messages that wait to be sent to the broker: only the latest on each retained topic."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count

MAX_INFLIGHT = 16
"""Messages sent but not yet acknowledged. Paho queues by itself what goes beyond 20."""
_MAX_UNRETAINED = 64
"""Messages that are not retained, such as command results, that may wait; the oldest are dropped."""


@dataclass(frozen=True, slots=True)
class _QueuedMessage:
    topic: str
    payload: str
    retain: bool


class Outbox:
    """A bounded queue in front of the connection.

    At most one retained message per topic waits: a later one replaces it. Topics keep the order in which they were
    first put, so what is put last is sent last.
    """

    def __init__(self, send: Callable[[str, str, bool], int], receive_maximum: int = MAX_INFLIGHT) -> None:
        """Send by `send`, which takes topic, payload and the retain flag and returns the packet id.

        `receive_maximum` is how many unacknowledged messages the broker allows (MQTT 5, 3.2.2.3.3).
        """
        self._send = send
        self._max_inflight = min(receive_maximum, MAX_INFLIGHT)
        self._waiting: dict[str | int, _QueuedMessage] = {}
        self._inflight: dict[int, str] = {}
        self._unretained_keys = count()

    @property
    def empty(self) -> bool:
        """Whether the broker has acknowledged every message."""
        return not self._waiting and not self._inflight

    def put(self, topic: str, payload: str, *, retain: bool) -> None:
        """Send a message as soon as the broker allows it."""
        self._waiting[topic if retain else next(self._unretained_keys)] = _QueuedMessage(topic, payload, retain)
        unretained = [key for key, message in self._waiting.items() if not message.retain]
        if len(unretained) > _MAX_UNRETAINED:
            del self._waiting[unretained[0]]
        self._send_waiting()

    def acknowledged(self, packet_id: int) -> str:
        """Send the next message in place of one that the broker has acknowledged, and return that one's topic."""
        topic = self._inflight.pop(packet_id, "")
        self._send_waiting()
        return topic

    def clear(self) -> None:
        """Drop every message that is not yet sent."""
        self._waiting.clear()

    def _send_waiting(self) -> None:
        while self._waiting and len(self._inflight) < self._max_inflight:
            message = self._waiting.pop(next(iter(self._waiting)))
            self._inflight[self._send(message.topic, message.payload, message.retain)] = message.topic
