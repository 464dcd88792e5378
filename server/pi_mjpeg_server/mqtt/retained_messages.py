"""Publishes retained messages, and clears those that are no longer wanted."""

import json
from collections.abc import Iterable
from collections.abc import Set as AbstractSet

from pi_mjpeg_server.documents import Document
from pi_mjpeg_server.mqtt.reconnecting_client import MqttClient
from pi_mjpeg_server.mqtt.retained_topics_file import RetainedTopicsStore

ACKNOWLEDGE_TIMEOUT = 5.0
"""Seconds to wait for the broker's acknowledgement; what it has not acknowledged is cleared again next time."""


class RetainedMessages:
    """Keeps the retained messages of this server: publishes each only when it differs from the last on its topic."""

    def __init__(self, client: MqttClient, store: RetainedTopicsStore) -> None:
        """Publish by `client`; `store` keeps the topics across restarts."""
        self._client = client
        self._store = store
        self._published: dict[str, str] = {}
        self._cleared: set[str] = set()

    def reset(self) -> None:
        """Publish everything anew: the broker, or Home Assistant, may have lost what was published before."""
        self._published.clear()
        self._cleared.clear()

    def expected(self, topic: str) -> str | None:
        """Return what the broker should retain on this topic, or None if nothing is decided since the last `reset`."""
        return self._published.get(topic)

    def expect_empty(self, topics: Iterable[str]) -> None:
        """Decide that the broker should retain nothing on those of `topics` on which nothing is published."""
        for topic in topics:
            self._published.setdefault(topic, "")

    def publish(self, topic: str, payload: Document | str, *, force: bool = False) -> None:
        """Publish a text, or a document as JSON, if it differs from the last one on this topic or `force` is set."""
        # Without spaces: the smallest brokers refuse messages of more than 10 kB.
        text = payload if isinstance(payload, str) else json.dumps(payload, separators=(",", ":"))
        if self._published.get(topic) != text or force:
            self._published[topic] = text
            self._cleared.discard(topic)
            self._client.publish(topic, text)

    def clear(self, topic: str) -> None:
        """Clear the retained message of a topic (an empty payload: MQTT 5, 3.3.1.3)."""
        self.publish(topic, "", force=True)
        self._cleared.add(topic)

    async def record(self, topics: AbstractSet[str]) -> None:
        """Save the topics before they are published on, so that a later process can clear them."""
        self._store.retained.topics |= topics
        await self._store.save()

    def clear_stale(self, current: AbstractSet[str]) -> None:
        """Clear every recorded topic that is not in `current`."""
        for topic in self._store.retained.topics - current:
            self.clear(topic)

    async def flush(self) -> bool:
        """Wait until the broker has acknowledged everything, then forget the cleared topics.

        Returns whether the broker has acknowledged everything.
        """
        acknowledged = await self._client.flush(ACKNOWLEDGE_TIMEOUT)
        if acknowledged:
            self._store.retained.topics -= self._cleared
            self._cleared.clear()
        return acknowledged
