"""A known server is followed to a new address when it proves itself. Nobody else gets its token."""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)

from custom_components.pi_mjpeg.api.access import Access
from custom_components.pi_mjpeg.flows import address_change
from custom_components.pi_mjpeg.flows.address_change import MAX_ADDRESSES
from tests.component.conftest import FRONT, issues, poll, state_of
from tests.component.support.fake_pi import IDENTITY, IDENTITY_KEY, Pi
from tests.component.support.flow_steps import NOWHERE, by_address, by_announcement, by_multicast, submit
from tests.component.support.repair_steps import press_button

SECRET = "secret"  # noqa: S105 - a test's
GONE = {"url": NOWHERE, "token": SECRET, "identity": IDENTITY}

type Announce = Callable[[HomeAssistant, Pi, dict[str, Any]], Awaitable[ConfigFlowResult]]


async def by_mqtt(hass: HomeAssistant, at: Pi, announcement: dict[str, Any]) -> ConfigFlowResult:
    text = {**announcement, "base_url": at.url, "cameras": []}
    return await by_announcement(hass, text)


async def by_mdns(hass: HomeAssistant, at: Pi, _: dict[str, Any]) -> ConfigFlowResult:
    return await by_multicast(hass, at.port)


@pytest.fixture
async def pi() -> AsyncIterator[Pi]:
    """A running Pi that has a token, and proves who it is."""
    pi = Pi()
    pi.token, pi.identity_key = SECRET, IDENTITY_KEY
    await pi.start()
    yield pi
    await pi.stop()


@pytest.fixture
async def fake() -> AsyncIterator[Pi]:
    """A server that says it is the Pi, and takes any token."""
    fake = Pi()
    fake.identity_key = bytes(32)
    await fake.start()
    yield fake
    await fake.stop()


async def test_a_server_is_asked_for_a_secret_once_it_is_added(hass: HomeAssistant, pi: Pi) -> None:
    form = await submit(hass, await by_address(hass, pi.url), token=SECRET)
    entry = (await submit(hass, form))["result"]
    await hass.async_block_till_done()
    assert entry.data == {"url": pi.url, "token": SECRET, "identity": IDENTITY}
    await poll(hass)
    assert pi.requests.count("POST /api/identity") == 1


async def test_an_older_server_is_asked_seldom_and_works_as_before(hass: HomeAssistant, pi: Pi) -> None:
    pi.identity_key = None
    form = await submit(hass, await by_address(hass, pi.url), token=SECRET)
    entry = (await submit(hass, form))["result"]
    for _ in range(3):
        await poll(hass)
    assert entry.data == {"url": pi.url, "token": SECRET}
    assert pi.requests.count("POST /api/identity") == 1
    assert state_of(hass, FRONT) != "unavailable"


@pytest.mark.parametrize("announce", [by_mqtt, by_mdns])
async def test_an_announced_server_that_proves_itself_is_followed(
    hass: HomeAssistant,
    pi: Pi,
    announcement: dict[str, Any],
    entry: MockConfigEntry,
    announce: Announce,
    caplog: pytest.LogCaptureFixture,
) -> None:
    hass.config_entries.async_update_entry(entry, data=GONE)
    with caplog.at_level(logging.INFO):
        assert (await announce(hass, pi, announcement))["reason"] == "already_configured"
    assert entry.data == {**GONE, "url": pi.url}
    assert [request.split("?")[0] for request in pi.requests[:1]] == ["GET /api/identity"]
    assert pi.authorizations[0] is None
    assert f"Garden Pi has moved from {NOWHERE} to {pi.url}" in caplog.text
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass, entry) == {}


async def test_a_typed_address_at_which_a_known_server_proves_itself_is_followed(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data=GONE)
    form = await by_address(hass, pi.url)
    result = await submit(hass, form, token=SECRET)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
    assert entry.data == {**GONE, "url": pi.url}
    await hass.async_block_till_done()


@pytest.mark.parametrize("announce", [by_mqtt, by_mdns])
@pytest.mark.parametrize("has", ["another secret", "no secret", "the proof of the real one", "nothing to say"])
async def test_a_fake_is_not_followed_and_gets_nothing_but_the_question(
    hass: HomeAssistant,
    pi: Pi,
    fake: Pi,
    announcement: dict[str, Any],
    entry: MockConfigEntry,
    announce: Announce,
    has: str,
) -> None:
    async def pass_on(request: web.Request) -> web.StreamResponse:
        """Ask the real server, and give its answer for our own."""
        async with aiohttp.ClientSession() as session, session.get(f"{pi.url}{request.path_qs}") as response:
            return web.Response(body=await response.read(), content_type="application/json")

    async def say_nothing(_: web.Request) -> web.StreamResponse:
        return web.json_response({"id": [], "proof": {}})

    fake.identity_key = fake.identity_key if has == "another secret" else None
    if has == "the proof of the real one":
        fake.answers["/api/identity"] = pass_on
    if has == "nothing to say":
        fake.answers["/api/identity"] = say_nothing
    hass.config_entries.async_update_entry(entry, data=GONE)
    assert (await announce(hass, fake, announcement))["reason"] == "address_unconfirmed"
    await hass.async_block_till_done()
    assert entry.data == GONE
    assert [request.split("?")[0] for request in fake.requests] == ["GET /api/identity"]
    assert fake.authorizations == [None]
    assert set(issues(hass, entry)) == {"address_unconfirmed"}


async def test_an_entry_without_a_secret_is_not_followed_and_its_server_not_asked(
    hass: HomeAssistant, pi: Pi, fake: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE})
    assert (await by_mqtt(hass, fake, announcement))["reason"] == "address_unconfirmed"
    assert (await by_mdns(hass, pi, announcement))["reason"] == "address_unconfirmed"
    assert entry.data == {"url": NOWHERE}
    assert fake.requests == pi.requests == []


@pytest.mark.parametrize("base_url", ["{}/internal/reboot", "http://localhost:{port}", "http://[::1]:{port}/x"])
async def test_what_is_no_address_of_a_machine_is_not_asked(
    hass: HomeAssistant, fake: Pi, announcement: dict[str, Any], entry: MockConfigEntry, base_url: str
) -> None:
    hass.config_entries.async_update_entry(entry, data=GONE)
    text = {**announcement, "base_url": base_url.format(fake.url, port=fake.port), "cameras": []}
    assert (await by_announcement(hass, text))["reason"] == "address_unconfirmed"
    assert fake.requests == []


async def be_away(hass: HomeAssistant, entry: MockConfigEntry) -> bool:
    return False


async def test_a_server_elsewhere_is_never_looked_for_on_this_machine(
    hass: HomeAssistant,
    fake: Pi,
    announcement: dict[str, Any],
    entry: MockConfigEntry,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A test may not send anything beyond this machine.
    monkeypatch.setattr(address_change, "async_is_reachable", be_away)
    elsewhere = {**GONE, "url": "http://192.168.1.20:8000"}
    hass.config_entries.async_update_entry(entry, data=elsewhere)
    assert (await by_mqtt(hass, fake, announcement))["reason"] == "address_unconfirmed"
    assert fake.requests == []
    assert entry.data == elsewhere


async def test_a_server_that_is_where_it_was_is_not_followed_elsewhere(
    hass: HomeAssistant, pi: Pi, fake: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    data = {**GONE, "url": pi.url}
    hass.config_entries.async_update_entry(entry, data=data)
    fake.instance = pi.instance
    assert (await by_mqtt(hass, fake, announcement))["reason"] == "already_configured"
    assert [request.partition("?")[0] for request in fake.requests] == ["GET /api/identity"]
    assert fake.authorizations == [None]
    assert entry.data == data
    assert issues(hass, entry) == {}


async def test_a_storm_of_announcements_asks_each_address_once_a_minute_and_few_of_them(
    hass: HomeAssistant, pi: Pi, fake: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**GONE, "url": pi.url})
    pi.state["server"]["id"] = "another"
    for _ in range(10):
        await by_mqtt(hass, fake, announcement)
        await by_mdns(hass, fake, announcement)
    assert len(fake.requests) == 1
    for number in range(50):
        await by_announcement(hass, {**announcement, "base_url": f"http://192.168.1.{number}/x", "cameras": []})
    assert pi.requests.count("GET /api/state") == MAX_ADDRESSES


async def test_an_address_typed_for_a_new_server_does_not_get_the_token_of_a_known_one(
    hass: HomeAssistant, pi: Pi, fake: Pi, entry: MockConfigEntry
) -> None:
    """Whoever answers there may say that it is any server: ids are public."""
    data = {"url": pi.url.replace("http", "https"), "token": SECRET, "fingerprint": "ab" * 32, "identity": IDENTITY}
    for known in (data, {"url": pi.url, "token": SECRET, "identity": IDENTITY}, {"url": NOWHERE, "token": SECRET}):
        hass.config_entries.async_update_entry(entry, data=known)
        result = await by_address(hass, fake.url)
        assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "already_configured")
        await hass.async_block_till_done()
        assert entry.data == known
    assert f"Bearer {SECRET}" not in fake.authorizations


async def test_the_owner_s_picture_goes_on_while_a_fake_announces_itself(
    hass: HomeAssistant, pi: Pi, fake: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**GONE, "url": pi.url})
    assert await hass.config_entries.async_setup(entry.entry_id)
    await pi.stop()
    assert (await by_mqtt(hass, fake, announcement))["reason"] == "address_unconfirmed"
    await pi.start(pi.port)
    await poll(hass)
    assert state_of(hass, FRONT) != "unavailable"
    assert entry.data["url"] == pi.url
    assert issues(hass, entry) == {}


async def test_the_new_address_is_used_when_a_person_confirms_it(
    hass: HomeAssistant,
    pi: Pi,
    announcement: dict[str, Any],
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": NOWHERE, "token": SECRET})
    await by_mqtt(hass, pi, announcement)
    repair = await press_button(hass, hass_client, entry, "address_unconfirmed")
    assert (repair.shown["type"], repair.shown["step_id"]) == ("form", "confirm")
    assert repair.shown["description_placeholders"] == {
        "name": "Garden Pi",
        "url": rf"http\:\/\/127\.0\.0\.1\:{pi.port}",
        "known_url": r"http\:\/\/127\.0\.0\.1\:9",
    }
    assert pi.requests == []
    pi.state["server"]["id"] = "another"
    assert (await repair.submit())["errors"] == {"base": "wrong_server"}
    pi.state["server"]["id"] = announcement["id"]
    assert (await repair.submit())["type"] == "create_entry"
    await hass.async_block_till_done()
    assert entry.data == {"url": pi.url, "token": SECRET, "identity": IDENTITY}
    assert entry.state is ConfigEntryState.LOADED
    assert issues(hass, entry) == {}


async def test_a_person_cannot_lose_the_encryption_with_a_button(
    hass: HomeAssistant,
    fake: Pi,
    announcement: dict[str, Any],
    entry: MockConfigEntry,
    hass_client: ClientSessionGenerator,
) -> None:
    data = {**GONE, "url": NOWHERE.replace("http", "https")}
    hass.config_entries.async_update_entry(entry, data=data)
    await by_mqtt(hass, fake, announcement)
    repair = await press_button(hass, hass_client, entry, "address_unconfirmed")
    assert (repair.shown["type"], repair.shown["reason"]) == ("abort", "not_encrypted")
    assert fake.requests == []
    assert entry.data == data


def test_an_entry_keeps_what_it_does_not_use_to_reach_the_server() -> None:
    assert Access.of(GONE).data() == {"url": NOWHERE, "token": SECRET}
