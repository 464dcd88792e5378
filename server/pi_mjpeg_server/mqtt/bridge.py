"""Between the cameras and the broker: says what changed, and says everything anew to a broker that may have lost it."""

import asyncio
import json
import random
from collections.abc import Coroutine
from functools import partial
from typing import Any

from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.config import MqttSettings, ServerSettings
from pi_mjpeg_server.documents import (
    SCHEMA,
    Document,
    camera_state_document,
    server_state_document,
    snapshot_document,
)
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.mqtt import claim, credentials
from pi_mjpeg_server.mqtt.announcement import OFFLINE, ONLINE, announcement
from pi_mjpeg_server.mqtt.client import Message, MqttClient, Will
from pi_mjpeg_server.mqtt.command_handler import CommandHandler
from pi_mjpeg_server.mqtt.core_discovery import core_discovery, with_tombstones
from pi_mjpeg_server.mqtt.retained_topics import FILE, RetainedTopicsFile
from pi_mjpeg_server.mqtt.telemetry import Telemetry
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.server import Server
from pi_mjpeg_server.storage.snapshots import Snapshot
from pi_mjpeg_server.system.health import measure

CLAIM_TIMEOUT = 1.0
"""Seconds that a retained claim has to arrive in, before Home Assistant's own discovery is published too."""
RENEWED_CLAIM_TIMEOUT = 30.0
"""The same where there was a claim before: Home Assistant takes ten seconds and more to return to a lost broker."""
BIRTH_JITTER = (1.0, 10.0)
"""Seconds, from and to, after Home Assistant's start; all the devices of a house hear it at once."""
ACKNOWLEDGE_TIMEOUT = 5.0
"""Seconds after which it is no longer waited for that the broker takes what was said; it is said again next time."""
CONTRADICT_AFTER = 1.0
"""Seconds after which a false `offline` is put right; two that contradict each other must not do it without pause."""


class Bridge:
    """Keeps what the broker holds of this server true. Without a configured broker it does nothing."""

    def __init__(self, server: Server, mqtt: MqttSettings, settings: ServerSettings) -> None:
        """Prepare; nothing is connected yet. Raises `ConfigurationError` when the password or TLS cannot be had."""
        self._server = server
        self._mqtt = mqtt
        self._settings = settings
        self._topics = Topics(server.identity.node, mqtt.discovery_prefix)
        self._base = settings.public_url or ""
        self._file = RetainedTopicsFile(settings.state_dir / FILE)
        self._said: dict[str, str] = {}
        self._snapshots: dict[str, tuple[Snapshot, str]] = {}
        self._connected = False
        self._claim_heard = asyncio.Event()
        self._rate_limited_log = RateLimitedLog()
        self._command_handler = CommandHandler(server, self._topics, self._answer)
        self._telemetry = Telemetry(server.cameras, self._say_states)
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._client: MqttClient | None = None
        if mqtt.host is not None:
            credentials.check(mqtt)
            self._client = MqttClient(mqtt, mqtt.host, Will(self._topics.availability, OFFLINE), self)

    def start(self) -> None:
        """Begin to connect, and to listen to the cameras."""
        if self._client is None:
            return
        self._server.broker.state = "connecting"
        self._server.broker.broker = f"{self._mqtt.host}:{self._mqtt.port}"
        self._server.on_snapshot.append(self._say_snapshot)
        for camera in self._server.cameras:
            camera.on_change.append(partial(self._camera_changed, camera))
        self._client.start()

    async def stop(self) -> None:
        """Say that the server goes, and go."""
        self._connected = False
        await self._command_handler.stop()
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)
        if self._client is not None:
            await self._client.stop()

    def connected(self) -> None:
        """Say everything anew: the broker may have lost what it held (from the client)."""
        if self._client is None:
            return
        self._server.broker.state, self._server.broker.error = "connected", None
        self._connected = True
        self._said.clear()
        self._claim_heard.clear()
        if self._settings.public_url is None:
            host = self._client.local_address() or "localhost"
            self._base = f"{self._settings.scheme}://{f'[{host}]' if ':' in host else host}:{self._settings.port}"
        topics = self._topics
        self._client.subscribe(
            topics.birth, topics.commands, topics.claimed, topics.availability, topics.core_discovery
        )
        self._do("say", self._say_everything())

    def disconnected(self, reason: str) -> None:
        """Take note (from the client)."""
        self._connected = False
        self._server.broker.state, self._server.broker.error = "connecting", reason
        for task in self._tasks.values():
            task.cancel()

    def received(self, message: Message) -> None:
        """Sort a message by its topic (from the client)."""
        if message.topic == self._topics.birth:
            self._hear_birth(message)
        elif message.topic == self._topics.claimed:
            self._hear_claim(message)
        elif message.topic == self._topics.availability:
            self._hear_availability(message)
        elif message.topic == self._topics.core_discovery:
            if message.payload:
                # Said by an earlier installation, whose memory is lost.
                self._file.memory.topics.add(message.topic)
        else:
            self._command_handler.received(message)

    def _hear_birth(self, message: Message) -> None:
        if message.payload == ONLINE.encode():
            if not message.retained and not self._does("greet"):
                self._do("greet", self._greet())
        elif message.payload != OFFLINE.encode():
            self._rate_limited_log.warn(
                message.topic, f"MQTT: a message on {message.topic} is neither online nor offline"
            )

    def _hear_claim(self, message: Message) -> None:
        try:
            claimed = claim.parse(message.payload)
        except claim.ClaimError as error:
            self._rate_limited_log.warn(message.topic, f"MQTT: a message on {message.topic} is ignored: {error}")
            return
        self._claim_heard.set()
        if claimed != self._file.memory.claimed:
            self._file.memory.claimed = claimed
            self._do("claim", self._say_core_discovery())

    def _hear_availability(self, message: Message) -> None:
        """Contradict whoever says that we are gone: a broker that noticed late that an earlier connection was cut."""
        if message.retained:
            # From before this connection said `online`.
            return
        false = message.payload != ONLINE.encode() and self._topics.availability in self._said
        if false and not self._does("contradict"):
            self._do("contradict", self._contradict())

    async def _contradict(self) -> None:
        await asyncio.sleep(CONTRADICT_AFTER)
        self._said.pop(self._topics.availability, None)
        self._say(self._topics.availability, ONLINE)

    async def _say_everything(self) -> None:
        """Discovery, then states, `online` last: whoever hears it knows where everything is."""
        await self._file.recall()
        cameras = [camera.settings.id for camera in self._server.cameras]
        memory, wanted = self._file.memory, self._topics.kept(cameras, self._mqtt.discovery)
        unwanted = memory.topics - wanted - {self._topics.core_discovery}
        memory.topics |= wanted
        await self._file.keep()
        for topic in unwanted:
            self._say(topic, None)
        self._say_announcement()
        await self._say_states()
        for camera in self._server.cameras:
            self._say_availability(camera)
            if camera.settings.id in self._snapshots:
                self._say_snapshot(*self._snapshots[camera.settings.id])
        self._say(self._topics.availability, ONLINE)
        self._do("telemetry", self._telemetry.run())
        if await self._all_taken():
            memory.topics -= unwanted
        await self._await_claim()
        await self._say_core_discovery()

    async def _await_claim(self) -> None:
        """Wait until it is known whether there is a claim."""
        memory = self._file.memory
        try:
            async with asyncio.timeout(RENEWED_CLAIM_TIMEOUT if memory.claimed else CLAIM_TIMEOUT):
                await self._claim_heard.wait()
        except TimeoutError:
            memory.claimed = False

    async def _say_core_discovery(self) -> None:
        """Say the document for Home Assistant's own MQTT integration, or take it back, and remember which."""
        memory, topic, which = self._file.memory, self._topics.core_discovery, self._mqtt.discovery
        if which in {"core", "both"} or (which == "auto" and not memory.claimed):
            document = core_discovery(self._server, self._topics, self._base)
            components = {key: component["platform"] for key, component in document["components"].items()}
            memory.topics.add(topic)
            await self._file.keep()
            self._say(topic, with_tombstones(document, memory.components))
            if await self._all_taken():
                memory.components = components
        elif topic in memory.topics:
            self._say(topic, None)
            if await self._all_taken():
                memory.topics.discard(topic)
                memory.components = {}
        await self._file.keep()

    async def _all_taken(self) -> bool:
        return self._client is not None and await self._client.all_taken(ACKNOWLEDGE_TIMEOUT)

    async def _greet(self) -> None:
        """Say everything again to a Home Assistant that has just started."""
        await asyncio.sleep(random.uniform(*BIRTH_JITTER))  # noqa: S311  (jitter)
        self._said.clear()
        self._do("say", self._say_everything())

    def _camera_changed(self, camera: Camera) -> None:
        self._say_availability(camera)
        self._say_announcement()
        self._telemetry.changed()

    def _say_announcement(self) -> None:
        if self._mqtt.discovery != "core":
            self._say(self._topics.announcement, announcement(self._server, self._topics, self._base))

    async def _say_states(self) -> None:
        health = await asyncio.to_thread(measure)
        self._say(self._topics.state, server_state_document(self._server, health))
        for camera in self._server.cameras:
            self._say(self._topics.camera(camera.settings.id, "state"), camera_state_document(camera))

    def _say_availability(self, camera: Camera) -> None:
        topic = self._topics.camera(camera.settings.id, "availability")
        self._say(topic, ONLINE if camera.available else OFFLINE)

    def _say_snapshot(self, kept: Snapshot, trigger: str) -> None:
        self._snapshots[kept.camera] = kept, trigger
        document = {"schema": SCHEMA, **snapshot_document(kept, self._base), "trigger": trigger}
        self._say(self._topics.camera(kept.camera, "snapshot"), document)

    def _say(self, topic: str, what: Document | str | None) -> None:
        """Publish, retained, unless it is what was said there last; `None` takes back what stands there."""
        payload = "" if what is None else what if isinstance(what, str) else json.dumps(what)
        if self._client is None or not self._connected or self._said.get(topic) == payload:
            return
        self._said[topic] = payload
        self._client.publish(topic, payload)

    def _answer(self, topic: str, result: Document) -> None:
        """Publish what nobody who comes later has to know."""
        if self._client is not None:
            self._client.publish(topic, json.dumps(result), retain=False)

    def _does(self, name: str) -> bool:
        return name in self._tasks and not self._tasks[name].done()

    def _do(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Begin some work, in place of the same work begun earlier."""
        if name in self._tasks:
            self._tasks[name].cancel()
        self._tasks[name] = asyncio.create_task(work, name=f"mqtt-{name}")
