"""Between the cameras and the broker: says what changed, and does what is asked."""

import asyncio
import json
import logging
import random
from collections.abc import Coroutine
from functools import partial
from typing import Any

from pi_mjpeg_server.camera import Camera, CameraUnavailableError, State
from pi_mjpeg_server.config import ConfigurationError, MqttSettings, ServerSettings
from pi_mjpeg_server.documents import (
    SCHEMA,
    Document,
    camera_state_document,
    server_state_document,
    snapshot_document,
)
from pi_mjpeg_server.identity import temperature
from pi_mjpeg_server.mqtt import commands
from pi_mjpeg_server.mqtt.client import Message, MqttClient
from pi_mjpeg_server.mqtt.payloads import OFFLINE, ONLINE, announcement, core_discovery
from pi_mjpeg_server.mqtt.topics import Topics
from pi_mjpeg_server.snapshots import Snapshot, SnapshotError
from pi_mjpeg_server.station import Station

_LOGGER = logging.getLogger(__name__)

CLAIM_WITHIN = 1.0
"""Seconds that a retained claim has to arrive in, before Home Assistant's own discovery is published too."""
BIRTH_JITTER = (1.0, 10.0)
"""Seconds, from and to, after Home Assistant's start; all the devices of a house hear it at once."""
STATE_EVERY = 1.0
"""Seconds between two publications of telemetry at the least."""
LIVE_STATE_EVERY = 10.0
"""Seconds after which a live camera's measured rate is published again."""


class Bridge:
    """Keeps what the broker holds of this server true. Without a configured broker it does nothing."""

    def __init__(self, station: Station, mqtt: MqttSettings, server: ServerSettings) -> None:
        """Prepare; nothing is connected yet. Raises `ConfigurationError` when the password cannot be read."""
        self._station = station
        self._settings = mqtt
        self._server = server
        self._topics = Topics(station.identity.node, mqtt.discovery_prefix)
        self._base = server.public_url or ""
        self._said: dict[str, str] = {}
        self._connected = False
        self._claimed = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._stating: asyncio.Task[None] | None = None
        self._client: MqttClient | None = None
        if mqtt.host is not None:
            try:
                self._client = MqttClient(mqtt, mqtt.host, self._topics.availability, OFFLINE, self)
            except OSError as error:
                raise ConfigurationError(f"[mqtt] password_file cannot be read: {error}") from error

    def start(self) -> None:
        """Begin to connect, and to listen to the cameras."""
        if self._client is None:
            _LOGGER.info("no MQTT broker is configured: Home Assistant will not find this server by itself")
            return
        self._station.broker.state = "connecting"
        self._station.broker.broker = f"{self._settings.host}:{self._settings.port}"
        self._station.on_snapshot.append(self._say_snapshot)
        for camera in self._station.cameras:
            camera.on_change.append(partial(self._camera_changed, camera))
        self._client.start()

    async def stop(self) -> None:
        """Say that the server goes, and go."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._client is not None:
            self._connected = False
            await self._client.stop(self._topics.availability, OFFLINE)

    def connected(self) -> None:
        """Say everything anew: the broker may have lost what it held (from the client)."""
        if self._client is None:
            return
        _LOGGER.info("MQTT: connected to %s", self._station.broker.broker)
        self._station.broker.state, self._station.broker.error = "connected", None
        self._connected = True
        self._claimed = False
        self._said.clear()
        if self._server.public_url is None:
            host = self._client.local_address() or "localhost"
            self._base = f"http://{f'[{host}]' if ':' in host else host}:{self._server.port}"
        self._client.subscribe(self._topics.birth, self._topics.commands, self._topics.claimed)
        self._do(self._say_everything())

    def disconnected(self, reason: str) -> None:
        """Take note, and say it once (from the client)."""
        self._connected = False
        self._station.broker.state = "connecting"
        if reason != self._station.broker.error:
            self._station.broker.error = reason
            _LOGGER.warning("MQTT: %s: %s; trying again", self._station.broker.broker, reason)

    def received(self, message: Message) -> None:
        """Sort a message by its topic (from the client)."""
        if message.topic == self._topics.birth:
            if message.payload == ONLINE.encode() and not message.retained:
                self._do(self._greet())
        elif message.topic == self._topics.claimed:
            self._claim(claimed=bool(message.payload))
        elif not message.retained:
            self._obey(message)

    async def _say_everything(self) -> None:
        """Discovery, then states, `online` last: whoever hears it knows where everything is."""
        announced = self._settings.discovery != "core"
        document = announcement(self._station, self._topics, self._base) if announced else None
        self._say(self._topics.announcement, document)
        await self._say_states()
        for camera in self._station.cameras:
            self._say_availability(camera)
        self._say(self._topics.availability, ONLINE)
        await asyncio.sleep(CLAIM_WITHIN)
        self._say_core_discovery()

    def _say_core_discovery(self) -> None:
        which = self._settings.discovery
        wanted = which in {"core", "both"} or (which == "auto" and not self._claimed)
        document = core_discovery(self._station, self._topics, self._base) if wanted else None
        self._say(self._topics.core_discovery, document)

    async def _greet(self) -> None:
        """Say everything again to a Home Assistant that has just started."""
        await asyncio.sleep(random.uniform(*BIRTH_JITTER))  # noqa: S311  (jitter)
        self._said.clear()
        await self._say_everything()

    def _claim(self, *, claimed: bool) -> None:
        if claimed != self._claimed:
            self._claimed = claimed
            self._say_core_discovery()

    def _camera_changed(self, camera: Camera) -> None:
        if not self._connected:
            return
        self._say_availability(camera)
        if self._settings.discovery != "core":
            self._say(self._topics.announcement, announcement(self._station, self._topics, self._base))
        if self._stating is None or self._stating.done():
            self._stating = self._do(self._keep_stating())

    async def _keep_stating(self) -> None:
        """Publish telemetry a second after a change, and on while a camera is live: its rate changes by itself."""
        await asyncio.sleep(STATE_EVERY)
        await self._say_states()
        while any(camera.state is State.LIVE for camera in self._station.cameras):
            before = self._signs()
            for _ in range(round(LIVE_STATE_EVERY / STATE_EVERY)):
                await asyncio.sleep(STATE_EVERY)
                if self._signs() != before:
                    break
            await self._say_states()

    def _signs(self) -> list[tuple[str, str | None, int]]:
        """Return what of the telemetry is worth telling at once."""
        return [(camera.state, camera.reason, len(camera.viewers)) for camera in self._station.cameras]

    async def _say_states(self) -> None:
        degrees = await asyncio.to_thread(temperature)
        self._say(self._topics.state, server_state_document(self._station, degrees))
        for camera in self._station.cameras:
            self._say(self._topics.camera(camera.settings.id, "state"), camera_state_document(camera))

    def _say_availability(self, camera: Camera) -> None:
        topic = self._topics.camera(camera.settings.id, "availability")
        self._say(topic, ONLINE if camera.available else OFFLINE)

    def _say_snapshot(self, kept: Snapshot, trigger: str) -> None:
        document = {"schema": SCHEMA, **snapshot_document(kept, self._base), "trigger": trigger}
        self._say(self._topics.camera(kept.camera, "snapshot"), document)

    def _say(self, topic: str, what: Document | str | None) -> None:
        """Publish, retained, unless it is what was said there last; `None` takes back what stands there."""
        payload = "" if what is None else what if isinstance(what, str) else json.dumps(what)
        if self._client is None or not self._connected or self._said.get(topic) == payload:
            return
        self._said[topic] = payload
        self._client.publish(topic, payload)

    def _obey(self, message: Message) -> None:
        camera = self._station.camera(self._topics.commanded(message.topic) or "")
        if camera is None:
            return
        try:
            command = commands.parse(message.payload)
        except commands.CommandError as error:
            _LOGGER.warning("MQTT: a message on %s is ignored: %s", message.topic, error)
            return
        if command == "restart":
            camera.restart()
        else:
            self._do(self._take_snapshot(camera))

    async def _take_snapshot(self, camera: Camera) -> None:
        try:
            await self._station.take_snapshot(camera, "mqtt")
        except (CameraUnavailableError, SnapshotError) as error:
            _LOGGER.warning("%s: no snapshot: %s", camera.settings.name, error)

    def _do(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task
