"""A server gets in by its address or by its announcement, once it has said who it is."""

import base64
import json
from ipaddress import ip_address
from typing import Any

import pytest
from aiohttp import web
from amqtt.client import MQTTClient  # type: ignore[import-untyped]  # it brings no types
from homeassistant.config_entries import SOURCE_MQTT, SOURCE_USER, SOURCE_ZEROCONF, ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.helpers import issue_registry as ir
from homeassistant.helpers.service_info.mqtt import MqttServiceInfo
from homeassistant.helpers.service_info.zeroconf import ZeroconfServiceInfo
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # likewise
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.const import DOMAIN

from .conftest import until
from .pi import NODE, Handler, Pi, jpeg

NOWHERE = "http://127.0.0.1:9"
"""An address on which nothing listens."""

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


async def by_multicast(hass: HomeAssistant, port: int, **changed: str | None) -> ConfigFlowResult:
    found = ZeroconfServiceInfo(
        ip_address=ip_address("127.0.0.1"),
        ip_addresses=[ip_address("127.0.0.1")],
        port=port,
        hostname=f"pi-mjpeg-{NODE}.local.",
        type="_pi-mjpeg._tcp.local.",
        name=f"{NODE}._pi-mjpeg._tcp.local.",
        properties={"id": NODE, "name": "Garden Pi", "auth": "none", "scheme": "http", "version": "0.1.0", **changed},
    )
    return await hass.config_entries.flow.async_init(DOMAIN, context={"source": SOURCE_ZEROCONF}, data=found)


async def submit(hass: HomeAssistant, flow: ConfigFlowResult, **fields: str) -> ConfigFlowResult:
    return await hass.config_entries.flow.async_configure(flow["flow_id"], fields)


def flows(hass: HomeAssistant) -> list[str]:
    """Return the names under which the flows in progress are shown."""
    return [
        flow["context"]["title_placeholders"]["name"]
        for flow in hass.config_entries.flow.async_progress()
        if "title_placeholders" in flow["context"]
    ]


async def add(hass: HomeAssistant, form: ConfigFlowResult) -> ConfigFlowResult:
    """Say yes to the server that a form shows."""
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "confirm")
    result = await submit(hass, form)
    assert result["type"] is FlowResultType.CREATE_ENTRY
    await hass.async_block_till_done()
    return result


async def test_a_server_is_added_by_its_address(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass)
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "user", {})
    form = await submit(hass, form, url=f" {pi.url}/ ")
    result = await add(hass, form)
    assert (result["title"], result["data"]) == ("Garden Pi", {"url": pi.url})
    assert result["result"].unique_id == NODE
    assert hass.states.get("camera.front_door") is not None


async def test_a_live_still_is_shown_before_a_server_is_added(hass: HomeAssistant, pi: Pi) -> None:
    pi.state["server"]["name"] = "*Garden* Pi"
    form = await by_address(hass, pi.url)
    picture = base64.b64encode(jpeg(7)).decode()
    assert form["errors"] == {}
    assert form["description_placeholders"] == {
        "name": r"\*Garden\* Pi",
        "cameras": r"Front door\, Shed",
        "picture": f"![](data:image/jpeg;base64,{picture})",
    }
    assert "GET /cameras/front/snapshot.jpg?width=320" in pi.requests


async def huge(_: web.Request) -> web.StreamResponse:
    return web.Response(body=jpeg(1, 200_000), content_type="image/jpeg")


async def say_no(_: web.Request) -> web.StreamResponse:
    return web.json_response({"error": {"code": "busy", "message": "not now"}}, status=503)


@pytest.mark.parametrize("handler", [huge, say_no])
async def test_a_camera_without_a_small_picture_can_be_added_all_the_same(
    hass: HomeAssistant, pi: Pi, handler: Handler
) -> None:
    pi.answers["/cameras/front/snapshot.jpg"] = handler
    form = await by_address(hass, pi.url)
    assert form["errors"] == {"base": "no_picture"}
    await add(hass, form)


async def test_a_camera_that_is_away_is_not_asked_for_a_picture(hass: HomeAssistant, pi: Pi) -> None:
    pi.camera()["available"] = False
    form = await by_address(hass, pi.url)
    assert form["errors"] == {"base": "no_picture"}
    assert pi.requests == ["GET /api/state"]


async def test_an_address_without_http_is_understood(hass: HomeAssistant, pi: Pi) -> None:
    result = await add(hass, await submit(hass, await by_address(hass), url=f"127.0.0.1:{pi.port}"))
    assert result["data"] == {"url": pi.url}


async def be_something_else(_: web.Request) -> web.StreamResponse:
    return web.Response(text="<html>a printer</html>")


async def be_of_tomorrow(_: web.Request) -> web.StreamResponse:
    return web.json_response({"schema": 2})


@pytest.mark.parametrize(
    ("handler", "reason"),
    [(say_no, "refused"), (be_something_else, "invalid_response"), (be_of_tomorrow, "incompatible")],
)
async def test_what_is_wrong_is_said_and_the_form_can_be_sent_again(
    hass: HomeAssistant, pi: Pi, handler: Handler, reason: str
) -> None:
    pi.answers["/api/state"] = handler
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"url": reason}
    del pi.answers["/api/state"]
    await add(hass, await submit(hass, form, url=pi.url))


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
    await add(hass, await submit(hass, form, url=pi.url))


async def test_a_server_that_wants_a_token_gets_the_one_that_a_person_enters(hass: HomeAssistant, pi: Pi) -> None:
    pi.token = "right"  # noqa: S105 - a test's
    form = await by_address(hass, pi.url)
    assert (form["step_id"], form["errors"]) == ("token", {})
    form = await submit(hass, form, token="wrong")  # noqa: S106 - likewise
    assert (form["step_id"], form["errors"]) == ("token", {"token": "invalid_auth"})
    assert "wrong" not in str(form["data_schema"])
    pi.answers["/api/state"] = say_no
    form = await submit(hass, form, token="right")  # noqa: S106 - likewise
    assert form["errors"] == {"base": "refused"}
    del pi.answers["/api/state"]
    result = await add(hass, await submit(hass, form, token=" right "))  # noqa: S106 - likewise
    assert result["data"] == {"url": pi.url, "token": "right"}
    assert hass.states.get("camera.front_door") is not None


async def test_a_known_server_at_a_new_address_keeps_its_entry(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE})
    result = await submit(hass, await by_address(hass), url=pi.url)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == {"url": pi.url}


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
    assert pi.shown == [None]
    result = await add(hass, await submit(hass, form, token="right"))  # noqa: S106 - likewise
    assert result["data"] == {"url": pi.url, "token": "right"}


@pytest.mark.parametrize("wrong", [{"id": "../x"}, {"name": "a\x00"}, {"auth": "maybe"}, {"scheme": "file"}])
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
async def test_what_is_no_announcement_starts_nothing(hass: HomeAssistant, payload: str, reason: str) -> None:
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


async def test_an_announcement_moves_a_known_server_to_its_new_address(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    result = await by_announcement(hass, announcement)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == {"url": pi.url}
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_a_record_moves_a_known_server_to_its_new_address(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE})
    assert (await by_multicast(hass, pi.port))["reason"] == "already_configured"
    await hass.async_block_till_done()
    assert entry.data == {"url": pi.url}


async def test_an_announcement_of_what_is_known_disturbs_nothing(
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


async def test_a_known_server_is_not_moved_to_where_another_answers(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE})
    pi.state["server"]["id"] = "another"
    assert (await by_announcement(hass, announcement))["reason"] == "wrong_server"
    await pi.stop()
    assert (await by_announcement(hass, announcement))["reason"] == "cannot_connect"
    assert entry.data == {"url": NOWHERE}


async def test_the_token_is_not_sent_to_an_address_that_nobody_confirmed(
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


async def test_a_token_that_is_no_longer_taken_is_asked_for_again(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    pi.token = "new"  # noqa: S105 - a test's
    hass.config_entries.async_update_entry(entry, data={"url": pi.url, "token": "old"})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    await hass.async_block_till_done()
    (flow,) = hass.config_entries.flow.async_progress()
    assert (flow["step_id"], flow["context"]["source"]) == ("reauth_confirm", "reauth")
    form = await hass.config_entries.flow.async_configure(flow["flow_id"])
    assert form["errors"] == {}
    form = await submit(hass, form, token="older")  # noqa: S106 - likewise
    assert form["errors"] == {"token": "invalid_auth"}
    pi.state["server"]["id"] = "another"
    form = await submit(hass, form, token="new")  # noqa: S106 - likewise
    assert form["errors"] == {"base": "wrong_server"}
    pi.state["server"]["id"] = NODE
    result = await submit(hass, form, token="new")  # noqa: S106 - likewise
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reauth_successful")
    assert entry.data == {"url": pi.url, "token": "new"}
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_the_address_and_the_token_can_be_changed(hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry) -> None:
    form = await loaded.start_reconfigure_flow(hass)
    assert (form["step_id"], form["errors"]) == ("reconfigure", {})
    pi.token = "right"  # noqa: S105 - a test's
    form = await submit(hass, form, url="nonsense here")
    assert form["errors"] == {"url": "invalid_url"}
    form = await submit(hass, form, url=pi.url)
    assert form["errors"] == {"token": "invalid_auth"}
    pi.state["server"]["id"] = "another"
    form = await submit(hass, form, url=pi.url, token="right")  # noqa: S106 - likewise
    assert form["errors"] == {"base": "wrong_server"}
    pi.state["server"]["id"] = NODE
    result = await submit(hass, form, url=pi.other_url, token="right")  # noqa: S106 - likewise
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert loaded.data == {"url": pi.other_url, "token": "right"}
    assert loaded.state is ConfigEntryState.LOADED


async def test_the_options_limit_the_live_pictures_and_take_effect_at_once(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    form = await hass.config_entries.options.async_init(loaded.entry_id)
    assert (form["type"], form["step_id"]) == (FlowResultType.FORM, "init")
    result = await hass.config_entries.options.async_configure(form["flow_id"], {"fps": 5})
    assert (result["type"], result["data"]) == (FlowResultType.CREATE_ENTRY, {"fps": 5})
    await hass.async_block_till_done()
    pi.show(jpeg(1))
    response = await (await hass_client()).get("/api/camera_proxy_stream/camera.front_door")
    await response.content.readuntil(jpeg(1))
    assert "GET /cameras/front/stream?fps=5" in pi.requests
    response.close()


@pytest.fixture
async def announced(wire: MQTTClient, announcement: dict[str, Any]) -> None:
    """The announcement, kept by the broker since before Home Assistant joined it."""
    await wire.publish(TOPIC, json.dumps(announcement).encode(), qos=1, retain=True)


async def test_a_retained_announcement_on_the_broker_is_found(
    hass: HomeAssistant, announced: None, with_mqtt: None
) -> None:
    await until(lambda: flows(hass) == ["Garden Pi"])
