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

from .api.documents import DocumentError, parse_camera_state, parse_server_state, parse_snapshot
from .const import BASE_TOPIC, CLAIMED_TOPIC, LOGGER, SCHEMA
from .coordinator import PiMjpegConfigEntry, PiMjpegCoordinator

ONLINE: Final = "online"
OFFLINE: Final = "offline"

_CLAIM: Final = json.dumps({"schema": SCHEMA, "by": "homeassistant"})
_QOS: Final = 1


async def async_start(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    """Subscribe to the server's topics until the entry is unloaded: now, or as soon as Home Assistant has MQTT."""
    if await mqtt.async_wait_for_mqtt_client(hass):
        await _async_subscribe(hass, entry)
        return
    subscribed = False

    @callback
    def subscribe_once(_: object, changed: ConfigEntry) -> None:
        nonlocal subscribed
        if not subscribed and changed.domain == mqtt.DOMAIN and changed.state is ConfigEntryState.LOADED:
            subscribed = True
            entry.async_create_task(hass, _async_subscribe(hass, entry))

    # Only the unload disconnects it: the dispatcher warns of a second time.
    entry.async_on_unload(async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, subscribe_once))


async def _async_subscribe(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    node = entry.unique_id
    handlers = _MessageHandlers(entry.runtime_data)
    topics: dict[str, Callable[[mqtt.ReceiveMessage], None]] = {
        f"{BASE_TOPIC}/{node}/availability": handlers.on_availability,
        f"{BASE_TOPIC}/{node}/state": handlers.on_state,
        f"{BASE_TOPIC}/{node}/+/availability": handlers.on_camera_availability,
        f"{BASE_TOPIC}/{node}/+/state": handlers.on_camera_state,
        f"{BASE_TOPIC}/{node}/+/snapshot": handlers.on_snapshot,
    }
    for topic, on_message in topics.items():
        entry.async_on_unload(await mqtt.async_subscribe(hass, topic, partial(_handle, on_message), _QOS))

    @callback
    def on_connection_status(connected: bool) -> None:  # noqa: FBT001 - Home Assistant's signature
        # A broker without persistence forgets the claim when it restarts.
        if connected:
            entry.async_create_task(hass, _async_publish_claim(hass, str(node), _CLAIM))

    entry.async_on_unload(mqtt.async_subscribe_connection_status(hass, on_connection_status))
    await _async_publish_claim(hass, str(node), _CLAIM)


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
        self._coordinator.server_changed(parse_server_state(message.payload))

    def on_camera_availability(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.camera_availability_changed(_camera_id(message), available=_is_online(message))

    def on_camera_state(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.camera_changed(_camera_id(message), parse_camera_state(message.payload))

    def on_snapshot(self, message: mqtt.ReceiveMessage) -> None:
        # An empty message says that the server keeps no snapshot of this camera any more.
        if message.payload:
            camera_id, snapshot = _camera_id(message), parse_snapshot(message.payload)
            if snapshot.camera != camera_id:
                raise DocumentError(f"it is a snapshot of {snapshot.camera}")
            self._coordinator.snapshot_taken(camera_id, snapshot)


def _is_online(message: mqtt.ReceiveMessage) -> bool:
    if message.payload not in (ONLINE, OFFLINE):
        raise DocumentError(f"it is neither {ONLINE} nor {OFFLINE}")
    return message.payload == ONLINE


def _camera_id(message: mqtt.ReceiveMessage) -> str:
    return message.topic.rsplit("/", 2)[1]
