"""Publishes the document for Home Assistant's own MQTT discovery, unless the component claims the server."""

import asyncio
import time

from pi_mjpeg_server.concurrency.backoff import GrowingDelay
from pi_mjpeg_server.concurrency.events import wait_for_event
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import claim
from pi_mjpeg_server.mqtt.core_discovery_document import core_discovery_document, with_tombstones
from pi_mjpeg_server.mqtt.reconnecting_client import Message
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.retained_topics_file import RetainedTopicsStore
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server

CLAIM_TIMEOUT = 1.0
"""Seconds to wait for a retained claim before the document is published."""
RENEWED_CLAIM_TIMEOUT = 30.0
"""The same if there was a claim before: Home Assistant takes ten seconds and more to reconnect to a lost broker."""
MIN_SETTLING = 1.0
"""Seconds for which a claim, or its end, has to stand before it counts."""
MAX_SETTLING = 60.0
"""The same after many changes in a row: each makes Home Assistant remove or add all entities of the server."""


class CoreDiscovery:
    """Keeps the core discovery document at the broker in step with the claim."""

    def __init__(
        self,
        server: Server,
        topics: Topics,
        discovery: str,
        publisher: RetainedMessages,
        store: RetainedTopicsStore,
    ) -> None:
        """Publish always if `discovery` is core or both, never if integration, and while unclaimed if auto."""
        self._server = server
        self._topics = topics
        self._discovery = discovery
        self._publisher = publisher
        self._store = store
        self._claimed = False
        self._claim_received = asyncio.Event()
        self._claim_changed = asyncio.Event()
        self._settling = GrowingDelay(MIN_SETTLING, MAX_SETTLING)
        self._rate_limited_log = RateLimitedLog()

    def connected(self) -> None:
        """Wait for the claim anew: a broker sends retained messages after each subscription."""
        self._claim_received.clear()

    def claim_received(self, message: Message) -> None:
        """Take note of the claim or its end; `run` acts on it when it has settled."""
        try:
            claimed = claim.parse(message.payload)
        except claim.ClaimError as error:
            self._rate_limited_log.warn(message.topic, f"MQTT: a message on {message.topic} is ignored: {error}")
            return
        if claimed != self._claimed:
            self._claimed = claimed
            self._claim_changed.set()
        self._claim_received.set()

    def document_received(self, message: Message) -> None:
        """Record a document from an installation whose state folder is lost, so that it can be cleared."""
        if message.payload:
            self._store.retained.topics.add(message.topic)

    async def run(self, base_url: str) -> None:
        """Publish or clear the document, and again after each change of the claim, until cancelled.

        Nothing else publishes it, so two changes in a row are never worked on at once.
        """
        retained = self._store.retained
        claim_timeout = RENEWED_CLAIM_TIMEOUT if retained.claimed else CLAIM_TIMEOUT
        if await wait_for_event(self._claim_received, claim_timeout):
            await self._settle()
        else:
            self._claimed = False
        retained.claimed = self._claimed
        while True:
            if self._is_wanted():
                await self._publish(base_url)
            elif self._topics.core_discovery in retained.topics:
                await self._clear()
            else:
                self._publisher.expect_empty([self._topics.core_discovery])
            await self._store.save()
            await self._wait_for_other_claim()

    async def _wait_for_other_claim(self) -> None:
        """Wait until the claim has changed and settled."""
        retained = self._store.retained
        while True:
            if self._claimed == retained.claimed:
                self._claim_changed.clear()
                await self._claim_changed.wait()
            await self._settle()
            if self._claimed != retained.claimed:
                break
        self._settling.acted(time.monotonic())
        retained.claimed = self._claimed

    async def _settle(self) -> None:
        """Wait until the claim has not changed for a while."""
        self._claim_changed.clear()
        while await wait_for_event(self._claim_changed, self._settling.seconds(time.monotonic())):
            self._claim_changed.clear()

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
