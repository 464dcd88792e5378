"""A server is discovered over MQTT or multicast DNS, and confirmed by a person."""

import json
from typing import Any

import pytest
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from custom_components.pi_mjpeg.const import DOMAIN
from custom_components.pi_mjpeg.flows.discovery_limits import MAX_CARDS
from tests.component.conftest import until
from tests.component.support.fake_pi import NODE, Pi
from tests.component.support.flow_steps import (
    NOWHERE,
    TOPIC,
    add,
    by_address,
    by_announcement,
    by_multicast,
    flows,
    submit,
)


async def test_an_announced_server_is_contacted_and_added_when_confirmed(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    announcement["name"] = "*Garden* Pi"
    form = await by_announcement(hass, announcement)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "discovery_confirm")
    assert form["description_placeholders"] == {
        "name": r"\*Garden\* Pi",
        "url": rf"http\:\/\/127\.0\.0\.1\:{pi.port}",
    }
    assert flows(hass) == ["*Garden* Pi"]
    assert pi.requests == []
    result = await add(hass, await submit(hass, form))
    assert (result["title"], result["data"]) == ("Garden Pi", {"url": pi.url})
    assert result["result"].unique_id == NODE


async def test_a_server_on_the_local_network_is_found_and_added(hass: HomeAssistant, pi: Pi) -> None:
    pi.token = "right"  # noqa: S105 - a test's
    form = await by_multicast(hass, pi.port)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "discovery_confirm")
    assert flows(hass) == ["Garden Pi"]
    assert pi.requests == []
    form = await submit(hass, form)
    assert form["step_id"] == "token"
    assert pi.authorizations == [None]
    result = await add(hass, await submit(hass, form, token="right"))  # noqa: S106 - likewise
    assert result["data"] == {"url": pi.url, "token": "right"}


@pytest.mark.parametrize("wrong", [{"id": "../x"}, {"id": None}, {"scheme": "file"}, {"scheme": None}])
async def test_a_record_that_is_not_ours_starts_nothing(hass: HomeAssistant, wrong: dict[str, str | None]) -> None:
    result = await by_multicast(hass, 8000, **wrong)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "invalid_announcement")


async def test_both_discoveries_of_one_server_are_one(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    await by_announcement(hass, announcement)
    result = await by_multicast(hass, pi.port)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_in_progress")


async def test_no_entry_is_made_unless_the_announced_server_answers(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    form = await by_announcement(hass, announcement)
    await pi.stop()
    form = await submit(hass, form)
    assert form["errors"] == {"base": "cannot_connect"}
    await pi.start(pi.port)
    pi.state["server"]["id"] = "another"
    form = await submit(hass, form)
    assert form["errors"] == {"base": "wrong_server"}
    pi.state["server"]["id"] = NODE
    await add(hass, await submit(hass, form))


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "announcement_withdrawn"),
        ("not json", "invalid_announcement"),
        ('{"schema": 2}', "invalid_announcement"),
        ("x" * 70_000, "invalid_announcement"),
    ],
)
async def test_an_invalid_announcement_aborts_the_flow(hass: HomeAssistant, payload: str, reason: str) -> None:
    result = await by_announcement(hass, payload)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


async def test_a_newer_announcement_takes_the_place_of_the_older_one(
    hass: HomeAssistant, announcement: dict[str, Any]
) -> None:
    await by_announcement(hass, announcement)
    await by_announcement(hass, {**announcement, "name": "Renamed Pi"})
    assert flows(hass) == ["Renamed Pi"]
    await by_announcement(hass, "")
    assert flows(hass) == []


async def test_an_announcement_of_a_known_address_changes_nothing(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], loaded: MockConfigEntry
) -> None:
    before = list(pi.requests)
    result = await by_announcement(hass, announcement)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    await hass.async_block_till_done()
    assert loaded.state is ConfigEntryState.LOADED
    assert pi.requests == before


async def test_of_several_addresses_the_one_in_use_is_kept_while_it_works(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": pi.other_url})
    assert (await by_multicast(hass, pi.port))["reason"] == "already_configured"
    assert entry.data == {"url": pi.other_url}


async def test_the_token_is_not_sent_to_an_unconfirmed_address(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    """Who announces our server's id at an address of their own gets no token, and no request at all."""
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE, "token": "secret"})
    assert (await by_announcement(hass, announcement))["reason"] == "address_unconfirmed"
    assert (await by_multicast(hass, pi.port))["reason"] == "address_unconfirmed"
    assert pi.requests == []
    assert entry.data == {"url": NOWHERE, "token": "secret"}
    issue = ir.async_get(hass).async_get_issue(DOMAIN, f"address_unconfirmed_{entry.entry_id}")
    assert issue is not None
    assert issue.translation_placeholders == {
        "name": "Garden Pi",
        "url": rf"http\:\/\/127\.0\.0\.1\:{pi.port}",
    }
    form = await entry.start_reconfigure_flow(hass)
    await submit(hass, form, url=pi.url)
    await hass.async_block_till_done()
    assert entry.data == {"url": pi.url, "token": "secret"}
    assert ir.async_get(hass).async_get_issue(DOMAIN, f"address_unconfirmed_{entry.entry_id}") is None


async def test_a_server_that_a_person_ignores_stays_ignored_until_they_add_it(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    MockConfigEntry(domain=DOMAIN, unique_id=NODE, source=SOURCE_IGNORE).add_to_hass(hass)
    assert (await by_announcement(hass, announcement))["reason"] == "already_configured"
    assert (await by_multicast(hass, pi.port))["reason"] == "already_configured"
    assert pi.requests == []
    await add(hass, await by_address(hass, pi.url))


@pytest.fixture
async def announced(pi_mqtt: MQTTClient, announcement: dict[str, Any]) -> None:
    """The announcement, kept by the broker since before Home Assistant joined it."""
    await pi_mqtt.publish(TOPIC, json.dumps(announcement).encode(), qos=1, retain=True)


async def test_a_retained_announcement_on_the_broker_is_found(
    hass: HomeAssistant, announced: None, with_mqtt: None
) -> None:
    await until(lambda: flows(hass) == ["Garden Pi"])


async def test_unreadable_announcements_are_warned_of_once_for_each_topic(
    hass: HomeAssistant, caplog: pytest.LogCaptureFixture
) -> None:
    odd = "pi_mjpeg/discovery/" + "x" * 2000 + "\n\x1b[31m/config"
    for _ in range(20):
        await by_announcement(hass, "not json", odd)
        await by_announcement(hass, "not json")
    for number in range(100):
        await by_announcement(hass, "not json", f"pi_mjpeg/discovery/{number}/config")
    warnings = [record.getMessage() for record in caplog.records if record.name == "custom_components.pi_mjpeg"]
    assert len(warnings) < 40
    assert max(len(warning) for warning in warnings) < 250
    assert all(warning.isprintable() for warning in warnings)
    assert len([warning for warning in warnings if NODE in warning]) == 1


async def test_there_are_not_more_cards_than_a_person_can_look_through(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    def of(node: str) -> dict[str, Any]:
        topic = f"pi_mjpeg/{node}/availability"
        return {**announcement, "id": node, "name": node, "availability_topic": topic, "cameras": []}

    for number in range(60):
        node = f"node{number}"
        result = await by_announcement(hass, of(node), f"pi_mjpeg/discovery/{node}/config")
        assert number < MAX_CARDS or result["reason"] == "too_many_discovered"
        await by_multicast(hass, pi.port, id=f"mdns{number}")
    assert len(flows(hass)) == MAX_CARDS
    assert len([record for record in caplog.records if "wait to be added" in record.getMessage()]) == 1
    # One that is shown can still change, and leave; the owner can still type the address.
    assert flows(hass)[0] == "node0"
    await by_announcement(hass, {**of("node0"), "name": "renamed"}, "pi_mjpeg/discovery/node0/config")
    assert "renamed" in flows(hass)
    await by_announcement(hass, "", "pi_mjpeg/discovery/node0/config")
    assert len(flows(hass)) == MAX_CARDS - 1
    await add(hass, await by_address(hass, pi.url))
