"""Puts the retained messages of this server right when another client changes them."""

import asyncio
import time
from dataclasses import dataclass, field

from pi_mjpeg_server.concurrency.backoff import GrowingDelay
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt.reconnecting_client import Message
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages

MIN_DELAY = 1.0
"""Seconds before the first correction. It also leaves time for what this server itself is about to publish."""
MAX_DELAY = 60.0
"""Seconds before a correction of a topic that keeps being changed: two servers with one id must not do so in a loop."""


@dataclass(slots=True)
class _Topic:
    """`seen` is what the broker sent last, or None after a correction."""

    delay: GrowingDelay = field(default_factory=lambda: GrowingDelay(MIN_DELAY, MAX_DELAY))
    seen: bytes | None = None
    timer: asyncio.TimerHandle | None = None


class RetainedCorrector:
    """Compares what the broker sends on this server's own topics with what the publisher has published there.

    Readers believe these topics: whether pictures can be had, what the camera does, and at which URL. The first wrong
    message on a topic is corrected within a second, repeated ones ever later.
    """

    def __init__(self, publisher: RetainedMessages) -> None:
        """Correct by `publisher`."""
        self._publisher = publisher
        self._topics: dict[str, _Topic] = {}
        self._rate_limited_log = RateLimitedLog()

    def received(self, message: Message) -> None:
        """Compare a message on a topic of this server with what is expected there."""
        topic = self._topics.setdefault(message.topic, _Topic())
        topic.seen = message.payload
        # What was retained when this client subscribed is replaced by what it publishes afterwards, if it publishes.
        replaced = message.retained and self._publisher.expected(message.topic) != ""
        if not replaced and self._is_wrong(message.topic, topic):
            self._schedule(message.topic, topic)

    def everything_published(self) -> None:
        """Correct the topics that were left out, because the broker should retain nothing on them."""
        for name, topic in self._topics.items():
            if self._publisher.expected(name) == "" and self._is_wrong(name, topic):
                self._schedule(name, topic)

    def cancel(self) -> None:
        """Forget what was received: the connection is lost, and everything will be published again."""
        for topic in self._topics.values():
            topic.seen = None
            if topic.timer is not None:
                topic.timer.cancel()
                topic.timer = None

    def _is_wrong(self, name: str, topic: _Topic) -> bool:
        expected = self._publisher.expected(name)
        return expected is not None and topic.seen is not None and topic.seen != expected.encode()

    def _schedule(self, name: str, topic: _Topic) -> None:
        if topic.timer is None:
            seconds = topic.delay.seconds(time.monotonic())
            topic.timer = asyncio.get_running_loop().call_later(seconds, self._correct, name, topic)

    def _correct(self, name: str, topic: _Topic) -> None:
        topic.timer = None
        expected = self._publisher.expected(name)
        # A broker of MQTT 3.1.1 sends back what this server published, also what it has replaced by now.
        if expected is None or not self._is_wrong(name, topic):
            return
        now = time.monotonic()
        if topic.delay.count(now):
            # Not the first time: that may be the last will of this server's lost connection.
            self._rate_limited_log.warn(
                name, f"MQTT: another client publishes on {name}, a topic of this server; it is put right"
            )
        topic.delay.acted(now)
        topic.seen = None
        self._publisher.publish(name, expected, force=True)
