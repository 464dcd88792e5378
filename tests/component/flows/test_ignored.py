"""A server that a person ignores stays away, until they delete the entry that says so: then it is found once more."""

import json
from typing import Any

import pytest
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.components import mqtt
from homeassistant.config_entries import SOURCE_IGNORE
from homeassistant.core import HomeAssistant
from homeassistant.setup import async_setup_component
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    WebSocketGenerator,
)

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import until
from tests.component.support.fake_pi import NODE, Pi
from tests.component.support.flow_steps import TOPIC, add, by_address, by_announcement, by_multicast, flows

CARD = "Garden Pi"


async def announced_again(hass: HomeAssistant, pi: Pi, pi_mqtt: MQTTClient, announcement: dict[str, Any]) -> None:
    """Let the server restart a few times: it announces itself by all of its addresses, and at the broker."""
    for _ in range(3):
        for address in ("127.0.0.1", "fd00::20"):
            await by_multicast(hass, pi.port, address=address)
        await pi_mqtt.publish(TOPIC, json.dumps(announcement).encode(), qos=1, retain=True)
        await by_announcement(hass, announcement)
    await hass.async_block_till_done()


async def ignore(hass: HomeAssistant, hass_ws_client: WebSocketGenerator) -> None:
    """Ignore the only card, as the frontend does."""
    assert await async_setup_component(hass, "config", {})
    (card,) = [flow for flow in hass.config_entries.flow.async_progress() if flow["handler"] == DOMAIN]
    client = await hass_ws_client()
    await client.send_json_auto_id({"type": "config_entries/ignore_flow", "flow_id": card["flow_id"], "title": CARD})
    assert (await client.receive_json())["success"]
    await hass.async_block_till_done()
    assert [entry.source for entry in hass.config_entries.async_entries(DOMAIN)] == [SOURCE_IGNORE]


@pytest.fixture
async def announced(pi_mqtt: MQTTClient, announcement: dict[str, Any]) -> None:
    """The announcement, kept by the broker since before Home Assistant joined it."""
    await pi_mqtt.publish(TOPIC, json.dumps(announcement).encode(), qos=1, retain=True)


@pytest.fixture
async def ignored(
    hass: HomeAssistant, announced: None, with_mqtt: None, hass_ws_client: WebSocketGenerator
) -> MockConfigEntry:
    """The entry that says that the announced server is ignored."""
    await until(lambda: flows(hass) == [CARD])
    await ignore(hass, hass_ws_client)
    (entry,) = hass.config_entries.async_entries(DOMAIN)
    return entry


async def test_an_ignored_server_is_shown_by_no_later_announcement(
    hass: HomeAssistant, ignored: MockConfigEntry, pi: Pi, pi_mqtt: MQTTClient, announcement: dict[str, Any]
) -> None:
    await announced_again(hass, pi, pi_mqtt, announcement)
    assert flows(hass) == []
    # With a new subscription, the broker sends what it keeps, as after a restart of Home Assistant.
    (broker,) = hass.config_entries.async_entries(mqtt.DOMAIN)
    assert await hass.config_entries.async_reload(broker.entry_id)
    await until(lambda: mqtt.is_connected(hass))
    await announced_again(hass, pi, pi_mqtt, announcement)
    assert flows(hass) == []
    assert hass.config_entries.async_entries(DOMAIN) == [ignored]
    assert pi.requests == []


async def test_there_is_one_card_when_it_is_ignored_no_longer(
    hass: HomeAssistant, ignored: MockConfigEntry, pi: Pi, pi_mqtt: MQTTClient, announcement: dict[str, Any]
) -> None:
    await hass.config_entries.async_remove(ignored.entry_id)
    await until(lambda: flows(hass) == [CARD])
    await announced_again(hass, pi, pi_mqtt, announcement)
    assert flows(hass) == [CARD]


async def test_a_server_that_was_added_and_removed_is_one_card_and_can_be_added_again(
    hass: HomeAssistant,
    announced: None,
    with_mqtt: None,
    pi: Pi,
    pi_mqtt: MQTTClient,
    announcement: dict[str, Any],
) -> None:
    await until(lambda: flows(hass) == [CARD])
    added = await add(hass, await by_address(hass, pi.url))
    assert flows(hass) == []
    await announced_again(hass, pi, pi_mqtt, announcement)
    assert flows(hass) == []
    await hass.config_entries.async_remove(added["result"].entry_id)
    await announced_again(hass, pi, pi_mqtt, announcement)
    assert flows(hass) == [CARD]
    assert (await add(hass, await by_address(hass, pi.url)))["result"].unique_id == NODE
    assert flows(hass) == []
