"""The bridge between the cameras and the broker: publishes what changes, and passes on what is received."""

import asyncio
import json
import logging
import random
import time
from functools import partial

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.config import MqttSettings, ServerSettings
from pi_mjpeg_server.documents import (
    SCHEMA,
    Document,
    camera_state_document,
    motion_document,
    server_state_document,
    snapshot_document,
)
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import broker_security
from pi_mjpeg_server.mqtt.advertised_url import advertised_urls
from pi_mjpeg_server.mqtt.announcement import announcement
from pi_mjpeg_server.mqtt.background_tasks import BackgroundTasks
from pi_mjpeg_server.mqtt.clip_topic import ClipTopic
from pi_mjpeg_server.mqtt.command_handler import CommandHandler
from pi_mjpeg_server.mqtt.core_discovery import CoreDiscovery
from pi_mjpeg_server.mqtt.correction import RetainedCorrector
from pi_mjpeg_server.mqtt.reconnecting_client import Message, MqttClient, Will
from pi_mjpeg_server.mqtt.retained_messages import RetainedMessages
from pi_mjpeg_server.mqtt.retained_topics_file import FILE_NAME, RetainedTopicsStore
from pi_mjpeg_server.mqtt.topics import OFFLINE, ONLINE, Topics
from pi_mjpeg_server.mqtt.twin import TwinDetector
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.snapshots import Snapshot
from pi_mjpeg_server.system.addresses import CHECK_INTERVAL as ADDRESS_CHECK_INTERVAL
from pi_mjpeg_server.system.addresses import local_addresses
from pi_mjpeg_server.system.health import measure
from pi_mjpeg_server.telemetry import Telemetry

_LOGGER = logging.getLogger(__name__)

BIRTH_JITTER = (1.0, 10.0)
"""Seconds, from and to, after Home Assistant's birth message, which all devices in a house receive at once."""

LATE_WILL = 30.0
"""Seconds after connecting in which an `offline` may be the last will of this server's earlier connection."""


class Bridge:
    """Listens to the MQTT client and to the cameras, and keeps what the broker retains of this server up to date."""

    def __init__(self, server: Server, mqtt: MqttSettings, host: str, settings: ServerSettings) -> None:
        """Prepare to connect to the broker at `host`. Raises `ConfigurationError` if password or TLS cannot be used."""
        broker_security.check(mqtt)
        self._server = server
        self._mqtt = mqtt
        self._host = host
        self._settings = settings
        self._topics = Topics(server.identity.node, mqtt.discovery_prefix)
        self._camera_ids = [camera.settings.id for camera in server.cameras]
        self._own_topics = self._topics.retained(self._camera_ids, "both") | {self._topics.core_discovery}
        self._urls: list[str] = []
        self._snapshots: dict[str, tuple[Snapshot, str]] = {}
        self._rate_limited_log = RateLimitedLog()
        self._tasks = BackgroundTasks()
        self._store = RetainedTopicsStore(settings.state_dir / FILE_NAME)
        self._client = MqttClient(mqtt, host, Will(self._topics.availability, OFFLINE), self)
        self._publisher = RetainedMessages(self._client, self._store)
        self._corrector = RetainedCorrector(self._publisher)
        self._clip_topic = ClipTopic(server, self._topics, self._publisher)
        self._core_discovery = CoreDiscovery(server, self._topics, mqtt.discovery, self._publisher, self._store)
        self._command_handler = CommandHandler(server, self._topics, self._publish_result)
        self._twin = TwinDetector(server)
        self._connected_at = float("-inf")
        self._telemetry = Telemetry(server.cameras, self._publish_states)

    def start(self) -> None:
        """Connect in the background, and listen to the cameras."""
        self._server.broker.state = "connecting"
        self._server.broker.broker = f"{self._host}:{self._mqtt.port}"
        self._server.on_snapshot.append(self._snapshot_taken)
        self._clip_topic.start()
        for camera in self._server.cameras:
            camera.on_change.append(partial(self._camera_changed, camera))
            self._server.motion[camera.settings.id].on_change.append(partial(self._publish_motion, camera))
        self._client.start()

    async def stop(self) -> None:
        """Stop all tasks, publish `offline` and disconnect."""
        await self._command_handler.stop()
        self._corrector.cancel()
        await self._tasks.stop()
        await self._client.stop()

    def connected(self) -> None:
        """Subscribe, and publish everything: the broker may have lost it (called by the client)."""
        self._server.broker.state, self._server.broker.error = "connected", None
        self._connected_at = time.monotonic()
        self._publisher.reset()
        self._core_discovery.connected()
        topics = self._topics
        self._client.subscribe(topics.birth, topics.commands, topics.claimed, *topics.own_filters)
        self._tasks.start("publish-all", self._publish_all())

    def disconnected(self, reason: str) -> None:
        """Stop all tasks until the client is connected again (called by the client)."""
        self._server.broker.state, self._server.broker.error = "connecting", reason
        self._corrector.cancel()
        self._tasks.cancel()

    def received(self, message: Message) -> None:
        """Route a message by its topic (called by the client)."""
        self._look_for_twin(message)
        if message.topic == self._topics.birth:
            self._birth_received(message)
        elif message.topic == self._topics.claimed:
            self._core_discovery.claim_received(message)
        elif message.topic in self._own_topics:
            if message.topic == self._topics.core_discovery:
                self._core_discovery.document_received(message)
            self._corrector.received(message)
        else:
            self._command_handler.received(message)

    def _birth_received(self, message: Message) -> None:
        if message.payload == ONLINE.encode():
            if not message.retained and not self._tasks.is_running("birth"):
                self._tasks.start("birth", self._publish_all_after_birth())
        elif message.payload != OFFLINE.encode():
            self._rate_limited_log.warn(
                message.topic, f"MQTT: a message on {message.topic} is neither online nor offline"
            )

    async def _publish_all_after_birth(self) -> None:
        """Publish everything to a Home Assistant that has just started."""
        await asyncio.sleep(random.uniform(*BIRTH_JITTER))  # noqa: S311  (jitter)
        self._publisher.reset()
        self._tasks.start("publish-all", self._publish_all())

    def _look_for_twin(self, message: Message) -> None:
        """Notice another server that has the same id, and that it is gone."""
        if message.retained:
            return  # it may be from an earlier process of this server
        if message.topic == self._topics.availability and message.payload == OFFLINE.encode():
            if time.monotonic() - self._connected_at > LATE_WILL:
                self._twin.gone()
        elif message.topic == self._topics.announcement and self._publisher.expected(message.topic):
            self._twin.received(message.payload)

    async def _publish_all(self) -> None:
        """Publish announcement and states, then `online`: a subscriber that receives it has everything else already."""
        current = self._topics.retained(self._camera_ids, self._mqtt.discovery)
        self._urls = await self._advertised_urls()
        await self._store.load()
        await self._publisher.record(current)
        # Whether the core discovery document is stale depends on the claim, which may still come.
        self._publisher.clear_stale(current | {self._topics.core_discovery})
        self._publish_announcement()
        await self._publish_states()
        for camera in self._server.cameras:
            self._publish_availability(camera)
            self._publish_motion(camera)
            if camera.settings.id in self._snapshots:
                self._publish_snapshot(*self._snapshots[camera.settings.id])
        self._clip_topic.publish_all(self._urls[0])
        self._publisher.publish(self._topics.availability, ONLINE)
        self._publisher.expect_empty(self._own_topics - {self._topics.core_discovery})
        self._corrector.everything_published()
        self._tasks.start("telemetry", self._telemetry.run())
        self._tasks.start("addresses", self._watch_addresses())
        await self._publisher.flush()
        self._tasks.start("core-discovery", self._core_discovery.run(self._urls[0]))

    async def _advertised_urls(self) -> list[str]:
        addresses = await asyncio.to_thread(local_addresses, self._client.local_address())
        return advertised_urls(self._settings, addresses)

    async def _watch_addresses(self) -> None:
        """Publish everything again when the machine's addresses change: the connection may outlive that."""
        while self._urls == await self._advertised_urls():  # noqa: ASYNC110 - there is no event
            await asyncio.sleep(ADDRESS_CHECK_INTERVAL)
        _LOGGER.info("MQTT: this machine's addresses have changed")
        self._tasks.start("publish-all", self._publish_all())

    async def _refresh_snapshots(self) -> None:
        """Follow the disk: the last snapshots of earlier processes, deleted ones, and the URLs of a rotated token."""
        for camera_id in self._camera_ids:
            known = self._snapshots.get(camera_id)
            last = await self._server.snapshots.last(camera_id)
            if self._snapshots.get(camera_id) is not known:
                # One was taken meanwhile, and is published.
                continue
            if last is None:
                if self._snapshots.pop(camera_id, None) is not None:
                    self._publisher.publish(self._topics.camera(camera_id, "snapshot"), "")
            elif known is None or (last[0].time <= known[0].time and last[0].path != known[0].path):
                self._snapshots[camera_id] = last
                self._publish_snapshot(*last)

    def _camera_changed(self, camera: Camera) -> None:
        self._publish_availability(camera)
        self._publish_announcement()
        self._telemetry.camera_changed()

    def _snapshot_taken(self, snapshot: Snapshot, trigger: str) -> None:
        self._snapshots[snapshot.camera] = snapshot, trigger
        self._publish_snapshot(snapshot, trigger)

    def _publish_announcement(self) -> None:
        if self._mqtt.discovery != "core" and self._urls:
            self._publisher.publish(self._topics.announcement, self._announcement())

    def _announcement(self) -> Document:
        return announcement(self._server, self._topics, self._urls)

    async def _publish_states(self) -> None:
        await self._refresh_snapshots()
        await self._clip_topic.refresh()
        health = await asyncio.to_thread(measure)
        self._publisher.publish(self._topics.state, server_state_document(self._server, health))
        for camera in self._server.cameras:
            self._publisher.publish(self._topics.camera(camera.settings.id, "state"), camera_state_document(camera))

    def _publish_availability(self, camera: Camera) -> None:
        topic = self._topics.camera(camera.settings.id, "availability")
        self._publisher.publish(topic, ONLINE if camera.available else OFFLINE)

    def _publish_motion(self, camera: Camera) -> None:
        document = motion_document(self._server.motion[camera.settings.id])
        self._publisher.publish(self._topics.camera(camera.settings.id, "motion"), document)

    def _publish_snapshot(self, snapshot: Snapshot, trigger: str) -> None:
        if not self._urls:
            return  # not connected yet; it is published with everything else
        document = {"schema": SCHEMA, **snapshot_document(snapshot, self._urls[0]), "trigger": trigger}
        self._publisher.publish(self._topics.camera(snapshot.camera, "snapshot"), document)

    def _publish_result(self, topic: str, result: Document) -> None:
        """Publish the result of a command, not retained: only the sender of the command needs it."""
        self._client.publish(topic, json.dumps(result), retain=False)
