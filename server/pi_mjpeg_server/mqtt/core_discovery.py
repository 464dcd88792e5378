"""Publishes the document for Home Assistant's own MQTT discovery, unless the component claims the server."""

import asyncio

from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import claim
from pi_mjpeg_server.mqtt.client import Message
from pi_mjpeg_server.mqtt.core_discovery_document import core_discovery_document, with_tombstones
from pi_mjpeg_server.mqtt.retained_publisher import RetainedPublisher
from pi_mjpeg_server.mqtt.retained_topics import RetainedTopicsStore
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

CLAIM_TIMEOUT = 1.0
"""Seconds to wait for a retained claim before the document is published."""
RENEWED_CLAIM_TIMEOUT = 30.0
"""The same if there was a claim before: Home Assistant takes ten seconds and more to reconnect to a lost broker."""


class CoreDiscovery:
    """Keeps the core discovery document at the broker in step with the claim."""

    def __init__(
        self,
        server: Server,
        topics: Topics,
        discovery: str,
        publisher: RetainedPublisher,
        store: RetainedTopicsStore,
    ) -> None:
        """Publish always if `discovery` is core or both, never if integration, and while unclaimed if auto."""
        self._server = server
        self._topics = topics
        self._discovery = discovery
        self._publisher = publisher
        self._store = store
        self._claim_received = asyncio.Event()
        self._claim_changed = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()

    def connected(self) -> None:
        """Wait for the claim anew: a broker sends retained messages after each subscription."""
        self._claim_received.clear()

    def claim_received(self, message: Message) -> None:
        """Publish or clear the document if the claim has changed."""
        try:
            claimed = claim.parse(message.payload)
        except claim.ClaimError as error:
            self._rate_limited_log.warn(message.topic, f"MQTT: a message on {message.topic} is ignored: {error}")
            return
        self._claim_received.set()
        if claimed != self._store.retained.claimed:
            self._store.retained.claimed = claimed
            self._claim_changed.set()

    def document_received(self, message: Message) -> None:
        """Record a document from an installation whose state folder is lost, so that it can be cleared."""
        if message.payload:
            self._store.retained.topics.add(message.topic)

    async def run(self, base_url: str) -> None:
        """Publish or clear the document, and again after each change of the claim, until cancelled.

        Nothing else publishes it, so two changes in a row are never worked on at once.
        """
        claim_timeout = RENEWED_CLAIM_TIMEOUT if self._store.retained.claimed else CLAIM_TIMEOUT
        if not await wait_for_event(self._claim_received, claim_timeout):
            self._store.retained.claimed = False
        while True:
            self._claim_changed.clear()
            if self._is_wanted():
                await self._publish(base_url)
            elif self._topics.core_discovery in self._store.retained.topics:
                await self._clear()
            await self._store.save()
            await self._claim_changed.wait()

    def _is_wanted(self) -> bool:
        if self._discovery == "auto":
            return not self._store.retained.claimed
        return self._discovery in {"core", "both"}

    async def _publish(self, base_url: str) -> None:
        retained = self._store.retained
        document = core_discovery_document(self._server, self._topics, base_url)
        components = {key: component["platform"] for key, component in document["components"].items()}
        await self._publisher.record({self._topics.core_discovery})
        self._publisher.publish(self._topics.core_discovery, with_tombstones(document, retained.components))
        if await self._publisher.flush():
            retained.components = components

    async def _clear(self) -> None:
        self._publisher.clear(self._topics.core_discovery)
        if await self._publisher.flush():
            self._store.retained.components = {}
