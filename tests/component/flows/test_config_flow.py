"""A server is added by its address, once it has identified itself, and can be reconfigured later."""

import base64

import pytest
from aiohttp import web
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.const import DOMAIN
from tests.component.conftest import FRONT, LIVE
from tests.component.support.fake_pi import NODE, Handler, Pi, jpeg
from tests.component.support.flow_steps import add, by_address, submit


async def test_a_server_is_added_by_its_address(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass)
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "user", {})
    form = await submit(hass, form, url=f" {pi.url}/ ")
    result = await add(hass, form)
    assert (result["title"], result["data"]) == ("Garden Pi", {"url": pi.url})
    assert result["result"].unique_id == NODE
    assert hass.states.get(FRONT) is not None


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
async def test_a_bad_answer_is_an_error_at_the_address_which_can_be_sent_again(
    hass: HomeAssistant, pi: Pi, handler: Handler, reason: str
) -> None:
    pi.answers["/api/state"] = handler
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert form["type"] is FlowResultType.FORM
    assert form["errors"] == {"url": reason}
    del pi.answers["/api/state"]
    await add(hass, await submit(hass, form, url=pi.url))


@pytest.mark.parametrize("address", ["", "ftp://x", "http://user:pw@127.0.0.1:8000", "http://127.0.0.1:8000?x", "a b"])
async def test_an_invalid_address_is_an_error_without_a_request(hass: HomeAssistant, pi: Pi, address: str) -> None:
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
    assert hass.states.get(FRONT) is not None


async def test_a_server_that_was_added_meanwhile_is_not_added_twice(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass, pi.url)
    assert form["step_id"] == "confirm"
    MockConfigEntry(domain=DOMAIN, unique_id=NODE, data={"url": pi.url}).add_to_hass(hass)
    result = await submit(hass, form)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert len(hass.config_entries.async_entries(DOMAIN)) == 1


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
    response = await (await hass_client()).get(LIVE)
    await response.content.readuntil(jpeg(1))
    assert "GET /cameras/front/stream?fps=5" in pi.requests
    response.close()
