"""A server gets in by its address or by its announcement, once it has said who it is."""

import json
from typing import Any

import pytest
from aiohttp import web
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_USER, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)

from custom_components.pi_mjpeg.const import DOMAIN

from .conftest import until
from .pi import NODE, Handler, Pi

TOPIC = f"pi_mjpeg/discovery/{NODE}/config"


async def by_address(hass: HomeAssistant, url: str | None = None) -> ConfigFlowResult:
    data = None if url is None else {"url": url}
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_USER}, data=data)


async def by_announcement(hass: HomeAssistant, payload: dict[str, Any] | str, topic: str = TOPIC) -> ConfigFlowResult:
    message = MqttServiceInfo(
        topic=topic,
        payload=payload if isinstance(payload, str) else json.dumps(payload),
        qos=1,
        retain=True,
        subscribed_topic="pi_mjpeg/discovery/+/config",
        timestamp=0,
    )
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_MQTT}, data=message)


async def submit(hass: HomeAssistant, flow: ConfigFlowResult, **fields: str) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(flow["flow_id"], fields)


def flows(hass: HomeAssistant) -> list[str]:
    """Return the names under which the flows in progress are shown."""
    return [
        flow["context"]["title_placeholders"]["name"]
        for flow in hass.config_entries.flow.async_progress()
        if "title_placeholders" in flow["context"]
    ]


async def test_a_server_is_added_by_its_address(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass)
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "user", {})
    result = await submit(hass, form, url=f" {pi.url}/ ")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert (result["title"], result["data"]) == ("Garden Pi", {"url": pi.url})
    assert result["result"].unique_id == NODE
    await hass.async_block_till_done()
    assert hass.states.get("camera.front_door") is not None


async def test_an_address_without_http_is_understood(hass: HomeAssistant, pi: Pi) -> None:
    result = await submit(hass, await by_address(hass), url=f"127.0.0.1:{pi.port}")
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert result["data"] == {"url": pi.url}


async def say_no(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"code": "busy", "message": "not now"}}, status=503)


async def want_token(_: web.Request) -> web.StreamResponse:
    return web.Response(status=401)


async def be_something_else(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>a printer</html>")


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(say_no, "refused"), (want_token, "token_unsupported"), (be_something_else, "invalid_response")],
)
async def test_what_is_wrong_is_said_and_the_form_can_be_sent_again(
    hass: HomeAssistant, pi: Pi, handler: Handler, reason: str
) -> None:
    pi.answers["/api/state"] = handler
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"url": reason}
    del pi.answers["/api/state"]
    assert (await submit(hass, form, url=pi.url))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize("address", ["", "ftp://x", "http://user:pw@127.0.0.1:8000", "http://127.0.0.1:8000?x", "a b"])
async def test_what_is_no_address_is_said_without_asking_anybody(hass: HomeAssistant, pi: Pi, address: str) -> None:
    form = await submit(hass, await by_address(hass), url=address)
    assert form["errors"] == {"url": "invalid_url"}
    assert pi.requests == []


async def test_a_server_that_is_off_is_said_to_be(hass: HomeAssistant, pi: Pi) -> None:
    await pi.stop()
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert form["errors"] == {"url": "cannot_connect"}
    await pi.start(pi.port)
    assert (await submit(hass, form, url=pi.url))["type"] is FlowResultType.CREATE_ENTRY


async def test_a_server_that_wants_a_token_is_not_half_supported(hass: HomeAssistant, pi: Pi) -> None:
    pi.state["server"]["auth"] = "token"
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert form["errors"] == {"url": "token_unsupported"}


async def test_a_known_server_at_a_new_address_keeps_its_entry(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": "http://192.0.2.1:8000"})
    result = await submit(hass, await by_address(hass), url=pi.url)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == {"url": pi.url}


async def test_an_announced_server_is_added_when_confirmed(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    announcement["name"] = "*Garden* Pi"
    form = await by_announcement(hass, announcement)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "discovery_confirm")
    assert form["description_placeholders"] == {
        "name": r"\*Garden\* Pi",
        "url": rf"http\:\/\/127\.0\.0\.1\:{pi.port}",
        "cameras": r"Front door\, Shed",
    }
    assert flows(hass) == ["*Garden* Pi"]
    assert pi.requests == []
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    assert (result["title"], result["data"]) == ("*Garden* Pi", {"url": pi.url})
    assert result["result"].unique_id == NODE


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
    assert (await submit(hass, form))["type"] is FlowResultType.CREATE_ENTRY


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        ("", "announcement_withdrawn"),
        ("not json", "invalid_announcement"),
        ('{"schema": 2}', "invalid_announcement"),
        ("x" * 70_000, "invalid_announcement"),
    ],
)
async def test_what_is_no_announcement_starts_nothing(hass: HomeAssistant, payload: str, reason: str) -> None:
    result = await by_announcement(hass, payload)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, reason)


async def test_an_announcement_that_wants_a_token_is_refused_clearly(
    hass: HomeAssistant, announcement: dict[str, Any]
) -> None:
    result = await by_announcement(hass, {**announcement, "auth": "token"})
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "token_unsupported")


async def test_a_newer_announcement_takes_the_place_of_the_older_one(
    hass: HomeAssistant, announcement: dict[str, Any]
) -> None:
    await by_announcement(hass, announcement)
    await by_announcement(hass, {**announcement, "name": "Renamed Pi"})
    assert flows(hass) == ["Renamed Pi"]
    await by_announcement(hass, "")
    assert flows(hass) == []


async def test_an_announcement_moves_a_known_server_to_its_new_address(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": "http://127.0.0.1:9"})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    result = await by_announcement(hass, announcement)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == {"url": pi.url}
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_an_announcement_of_what_is_known_disturbs_nothing(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], loaded: MockConfigEntry
) -> None:
    before = list(pi.requests)
    result = await by_announcement(hass, announcement)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    await hass.async_block_till_done()
    assert loaded.state is ConfigEntryState.LOADED
    assert pi.requests == before


async def test_a_known_server_is_not_moved_to_where_another_answers(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": "http://192.0.2.1:8000"})
    pi.state["server"]["id"] = "another"
    assert (await by_announcement(hass, announcement))["reason"] == "wrong_server"
    await pi.stop()
    assert (await by_announcement(hass, announcement))["reason"] == "cannot_connect"
    assert entry.data == {"url": "http://192.0.2.1:8000"}


@pytest.fixture
async def announced(wire: MQTTClient, announcement: dict[str, Any]) -> None:
    """The announcement, kept by the broker since before Home Assistant joined it."""
    await wire.publish(TOPIC, json.dumps(announcement).encode(), qos=1, retain=True)


async def test_a_retained_announcement_on_the_broker_is_found(
    hass: HomeAssistant, announced: None, with_mqtt: None
) -> None:
    await until(lambda: flows(hass) == ["Garden Pi"])
