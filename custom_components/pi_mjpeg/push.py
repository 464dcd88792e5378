"""What a server tells over MQTT, passed on to its coordinator; and the claim, which tells the server that we listen."""

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
    """Follow the server over MQTT until the entry is unloaded: now, or as soon as Home Assistant has MQTT."""
    if await mqtt.async_wait_for_mqtt_client(hass):
        await _async_follow(hass, entry)
        return

    @callback
    def look_for_mqtt(_: object, changed: ConfigEntry) -> None:
        if changed.domain == mqtt.DOMAIN and changed.state is ConfigEntryState.LOADED:
            stop_looking()
            entry.async_create_task(hass, _async_follow(hass, entry))

    stop_looking = async_dispatcher_connect(hass, SIGNAL_CONFIG_ENTRY_CHANGED, look_for_mqtt)
    entry.async_on_unload(stop_looking)


async def _async_follow(hass: HomeAssistant, entry: PiMjpegConfigEntry) -> None:
    node = entry.unique_id
    push = _Push(entry.runtime_data)
    topics: dict[str, Callable[[mqtt.ReceiveMessage], None]] = {
        f"{BASE_TOPIC}/{node}/availability": push.on_availability,
        f"{BASE_TOPIC}/{node}/state": push.on_state,
        f"{BASE_TOPIC}/{node}/+/availability": push.on_camera_availability,
        f"{BASE_TOPIC}/{node}/+/state": push.on_camera_state,
        f"{BASE_TOPIC}/{node}/+/snapshot": push.on_snapshot,
    }
    for topic, on_message in topics.items():
        entry.async_on_unload(await mqtt.async_subscribe(hass, topic, partial(_guarded, on_message), _QOS))

    @callback
    def claim_again(connected: bool) -> None:  # noqa: FBT001 - Home Assistant's signature
        # A broker without persistence forgets the claim when it restarts.
        if connected:
            entry.async_create_task(hass, _async_publish_claim(hass, str(node), _CLAIM))

    entry.async_on_unload(mqtt.async_subscribe_connection_status(hass, claim_again))
    await _async_publish_claim(hass, str(node), _CLAIM)


async def async_release(hass: HomeAssistant, node: str) -> None:
    """Take the claim back, so that the server announces itself to Home Assistant's own MQTT integration again."""
    if mqtt.mqtt_config_entry_enabled(hass):
        await _async_publish_claim(hass, node, "")


async def _async_publish_claim(hass: HomeAssistant, node: str, payload: str) -> None:
    try:
        await mqtt.async_publish(hass, CLAIMED_TOPIC.format(node=node), payload, qos=_QOS, retain=True)
    except HomeAssistantError as error:
        LOGGER.debug("The claim of %s could not be published: %s", node, error)


@callback
def _guarded(on_message: Callable[[mqtt.ReceiveMessage], None], message: mqtt.ReceiveMessage) -> None:
    """Ignore what is not in the contract: anybody on the broker can write to these topics."""
    try:
        on_message(message)
    except DocumentError as error:
        LOGGER.debug("Ignored a message on %s: %s", message.topic, error)


class _Push:
    """The message handlers of one server. Each raises `DocumentError` for a message that it cannot read."""

    def __init__(self, coordinator: PiMjpegCoordinator) -> None:
        self._coordinator = coordinator

    def on_availability(self, message: mqtt.ReceiveMessage) -> None:
        available = _is_online(message)
        if message.retain:
            # It was true when it was written, which may be long ago. The server itself knows better.
            self._coordinator.refresh_soon()
        elif available:
            self._coordinator.server_came_online()
        else:
            self._coordinator.server_went_offline()

    def on_state(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.server_changed(parse_server_state(message.payload))

    def on_camera_availability(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.camera_became_available(_camera_of(message), available=_is_online(message))

    def on_camera_state(self, message: mqtt.ReceiveMessage) -> None:
        self._coordinator.camera_changed(_camera_of(message), parse_camera_state(message.payload))

    def on_snapshot(self, message: mqtt.ReceiveMessage) -> None:
        # An empty message says that the server keeps no snapshot of this camera any more.
        if message.payload:
            self._coordinator.snapshot_taken(_camera_of(message), parse_snapshot(message.payload))


def _is_online(message: mqtt.ReceiveMessage) -> bool:
    if message.payload not in (ONLINE, OFFLINE):
        raise DocumentError(f"it is neither {ONLINE} nor {OFFLINE}")
    return message.payload == ONLINE


def _camera_of(message: mqtt.ReceiveMessage) -> str:
    return message.topic.rsplit("/", 2)[1]
