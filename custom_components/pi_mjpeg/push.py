"""Passes what a server publishes over MQTT to its coordinator, and claims the server, which tells it that we listen."""

import json
from collections.abc import Callable
from functools import partial
from typing import Final

from homeassistant.components import mqtt
from homeassistant.config_entries import SIGNAL_CONFIG_ENTRY_CHANGED, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.exceptions import HomeAssistantError
from homeassistant.helpers.dispatcher import async_dispatcher_connect

from .api.documents import DocumentError, parse_camera_state, parse_motion, parse_server_state, parse_snapshot
from .const import BASE_TOPIC, CLAIMED_TOPIC, LOGGER, SCHEMA
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

ONLINE: Final = "online"
OFFLINE: Final = "offline"

_CLAIM: Final = json.dumps({"schema": SCHEMA, "by": "homeassistant"})
_QOS: Final = 1


async def async_start(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    """Subscribe to the server's topics until the entry is unloaded, whenever Home Assistant has MQTT."""
    subscriptions = _Subscriptions(hass, entry)
    entry.async_on_unload(async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, subscriptions.on_entry_changed))
    entry.async_on_unload(subscriptions.remove)
    # Not mqtt.async_wait_for_mqtt_client, which would hold up the entry for 50 seconds while there is no broker.
    if any(found.state is ConfigEntryState.LOADED for found in hass.config_entries.async_entries(mqtt.DOMAIN)):
        await subscriptions.add()


class _Subscriptions:
    """The subscriptions of one entry, which end before those of MQTT do.

    MQTT gives the subscriptions that it has when it is unloaded to its next client. They could not be removed there:
    what removes them belongs to the former one.
    """

    def __init__(self, hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
        self._hass = hass
        self._entry = entry
        self._node = str(entry.unique_id)
        self._handlers = _MessageHandlers(entry.runtime_data)
        self._removers: list[Callable[[], None]] = []

    async def add(self) -> None:
        """Subscribe unless it is done, and claim the server."""
        if self._removers:
            return
        for topic, on_message in self._topics().items():
            self._removers.append(await mqtt.async_subscribe(self._hass, topic, partial(_handle, on_message), _QOS))
        self._removers.append(mqtt.async_subscribe_connection_status(self._hass, self._on_connection_status))
        await self._async_claim()

    @callback
    def remove(self) -> None:
        """Unsubscribe, if it is subscribed."""
        while self._removers:
            self._removers.pop()()

    @callback
    def on_entry_changed(self, _: object, changed: ConfigEntry) -> None:
        """Follow MQTT, which can be set up, reloaded and removed at any time."""
        if changed.domain != mqtt.DOMAIN:
            return
        if changed.state is ConfigEntryState.LOADED:
            self._entry.async_create_task(self._hass, self.add())
        elif changed.state is ConfigEntryState.UNLOAD_IN_PROGRESS:
            self.remove()

    def _topics(self) -> dict[str, Callable[[mqtt.ReceiveMessage], None]]:
        return {
            f"{BASE_TOPIC}/{self._node}/availability": self._handlers.on_availability,
            f"{BASE_TOPIC}/{self._node}/state": self._handlers.on_state,
            f"{BASE_TOPIC}/{self._node}/+/availability": self._handlers.on_camera_availability,
            f"{BASE_TOPIC}/{self._node}/+/state": self._handlers.on_camera_state,
            f"{BASE_TOPIC}/{self._node}/+/snapshot": self._handlers.on_snapshot,
            f"{BASE_TOPIC}/{self._node}/+/motion": self._handlers.on_motion,
        }

    @callback
    def _on_connection_status(self, connected: bool) -> None:  # noqa: FBT001 - Home Assistant's signature
        # A broker without persistence forgets the claim when it restarts.
        if connected:
            self._entry.async_create_task(self._hass, self._async_claim())

    async def _async_claim(self) -> None:
        await _async_publish_claim(self._hass, self._node, _CLAIM)


async def async_release(hass: HomeAssistant, node: str) -> None:
    """Remove the claim, so that the server announces itself to Home Assistant's own MQTT integration again."""
    if mqtt.mqtt_config_entry_enabled(hass):
        await _async_publish_claim(hass, node, "")


async def _async_publish_claim(hass: HomeAssistant, node: str, payload: str) -> None:
    try:
        await mqtt.async_publish(hass, CLAIMED_TOPIC.format(node=node), payload, qos=_QOS, retain=True)
    except HomeAssistantError as error:
        LOGGER.debug("The claim of %s could not be published: %s", node, error)


@callback
def _handle(on_message: Callable[[mqtt.ReceiveMessage], None], message: mqtt.ReceiveMessage) -> None:
    """Ignore messages that are not in the contract: anybody on the broker can publish to these topics."""
    try:
        on_message(message)
    except DocumentError as error:
        LOGGER.debug("Ignored a message on %s: %s", ascii(message.topic[:100]), error)


class _MessageHandlers:
    """The message handlers of one server. Each raises `DocumentError` for a message that it cannot read."""

    def __init__(self, coordinator: PiMjpegCoordinator) -> None:
        self._coordinator = coordinator

    def on_availability(self, message: mqtt.ReceiveMessage) -> None:
        available = _is_online(message)
        if message.retain:
            # It was true when it was published, which may be long ago. The server itself knows better.
            self._coordinator.refresh_soon()
        elif available:
            self._coordinator.server_came_online()
        else:
            self._coordinator.server_went_offline()

    def on_state(self, message: mqtt.ReceiveMessage) -> None:
        telemetry = parse_server_state(message.payload)
        self._coordinator.server_changed(telemetry)
        if not message.retain:
            self._coordinator.check_twins(telemetry)

    def on_camera_availability(self, message: mqtt.ReceiveMessage) -> None:
        camera_id, available = _camera_id(message), _is_online(message)
        self._coordinator.camera_availability_changed(camera_id, available=available, remembered=message.retain)

    def on_camera_state(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.camera_changed(_camera_id(message), parse_camera_state(message.payload))

    def on_motion(self, message: mqtt.ReceiveMessage) -> None:
        motion = parse_motion(message.payload)
        # The server's own events are faster, and only it can tell them.
        if not self._coordinator.has_events:
            self._coordinator.motion_changed(_camera_id(message), motion)

    def on_snapshot(self, message: mqtt.ReceiveMessage) -> None:
        camera_id = _camera_id(message)
        if not message.payload:
            self._coordinator.snapshot_named(camera_id, None)
            return
        snapshot = parse_snapshot(message.payload)
        if snapshot.camera != camera_id:
            raise DocumentError(f"it is a snapshot of {snapshot.camera}")
        self._coordinator.snapshot_named(camera_id, snapshot)


def _is_online(message: mqtt.ReceiveMessage) -> bool:
    if message.payload not in (ONLINE, OFFLINE):
        raise DocumentError(f"it is neither {ONLINE} nor {OFFLINE}")
    return message.payload == ONLINE


def _camera_id(message: mqtt.ReceiveMessage) -> str:
    return message.topic.rsplit("/", 2)[1]
