"""A server has several addresses, and not each can be reached from everywhere: the first that answers counts."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from custom_components.pi_mjpeg.api.documents import parse_zeroconf
from tests.component.conftest import issues
from tests.component.support.fake_pi import IDENTITY, IDENTITY_KEY, Pi
from tests.component.support.flow_steps import NOWHERE, add, by_announcement, by_multicast, submit

SECRET = "secret"  # noqa: S105 - a test's
GONE = {"url": NOWHERE, "token": SECRET, "identity": IDENTITY}
ELSEWHERE = "http://127.0.0.1:19"
"""Another address on which nothing listens."""


@pytest.fixture
async def pi() -> AsyncIterator[Pi]:
    """A running Pi that proves who it is."""
    pi = Pi()
    pi.identity_key = IDENTITY_KEY
    await pi.start()
    yield pi
    await pi.stop()


@pytest.fixture
async def other() -> AsyncIterator[Pi]:
    """A server of another id, as at the address that a VPN gives to each of them."""
    other = Pi()
    other.state["server"]["id"] = "another"
    other.identity_key = bytes(32)
    await other.start()
    yield other
    await other.stop()


def announced(announcement: dict[str, Any], *urls: str) -> dict[str, Any]:
    return {**announcement, "base_url": urls[0], "base_urls": list(urls), "cameras": []}


def shown_urls(form: ConfigFlowResult) -> str:
    """Return the addresses in a form, without the escapes of Markdown."""
    placeholders = form["description_placeholders"]
    assert placeholders is not None
    return placeholders["url"].replace("\\", "")


@pytest.mark.parametrize("token", [None, SECRET])
async def test_a_new_server_is_added_at_the_first_address_at_which_it_answers(
    hass: HomeAssistant, pi: Pi, other: Pi, announcement: dict[str, Any], token: str | None
) -> None:
    pi.token = other.token = token
    form = await by_announcement(hass, announced(announcement, ELSEWHERE, other.url, pi.url, NOWHERE))
    shown = shown_urls(form)
    assert shown == f"{ELSEWHERE}, {other.url}, {pi.url}, {NOWHERE}"
    assert (pi.requests, other.requests) == ([], [])
    form = await submit(hass, form)
    if token is not None:
        assert form["step_id"] == "token"
        form = await submit(hass, form, token=token)
    result = await add(hass, form)
    assert result["data"]["url"] == pi.url
    assert set(other.authorizations) == {None}


async def test_a_new_server_that_answers_nowhere_is_not_added(
    hass: HomeAssistant, other: Pi, announcement: dict[str, Any]
) -> None:
    form = await by_announcement(hass, announced(announcement, ELSEWHERE, other.url))
    assert (await submit(hass, form))["errors"] == {"base": "cannot_connect"}


async def test_a_known_server_is_followed_to_the_first_address_at_which_it_proves_itself(
    hass: HomeAssistant, pi: Pi, other: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    pi.token = SECRET
    hass.config_entries.async_update_entry(entry, data=GONE)
    text = announced(announcement, ELSEWHERE, "http://camera.example", other.url, pi.url)
    assert (await by_announcement(hass, text))["reason"] == "already_configured"
    assert entry.data == {**GONE, "url": pi.url}
    assert [request.split("?")[0] for request in other.requests] == ["GET /api/identity"]
    assert (other.authorizations, pi.authorizations[0]) == ([None], None)
    await hass.async_block_till_done()
    assert issues(hass, entry) == {}


async def test_each_address_is_asked_once_a_minute(
    hass: HomeAssistant, other: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data=GONE)
    for _ in range(3):
        result = await by_announcement(hass, announced(announcement, ELSEWHERE, other.url))
        assert result["reason"] == "address_unconfirmed"
    assert len(other.requests) == 1


async def test_a_server_that_announces_its_known_address_too_is_not_doubted(
    hass: HomeAssistant, pi: Pi, other: Pi, announcement: dict[str, Any], entry: MockConfigEntry
) -> None:
    pi.token = SECRET
    hass.config_entries.async_update_entry(entry, data=GONE)
    # It is restarting, or this network does not lead there any more.
    text = announced(announcement, other.url, NOWHERE)
    assert (await by_announcement(hass, text))["reason"] == "already_configured"
    assert issues(hass, entry) == {}
    text = announced(announcement, NOWHERE, pi.url)
    assert (await by_announcement(hass, text))["reason"] == "already_configured"
    assert entry.data["url"] == pi.url
    await hass.async_block_till_done()


async def test_nothing_is_sent_when_the_known_address_is_announced_and_answers(
    hass: HomeAssistant, pi: Pi, other: Pi, announcement: dict[str, Any], loaded: MockConfigEntry
) -> None:
    before = list(pi.requests)
    text = announced(announcement, other.url, pi.url)
    assert (await by_announcement(hass, text))["reason"] == "already_configured"
    assert (pi.requests, other.requests, loaded.data["url"]) == (before, [], pi.url)


async def test_addresses_that_do_not_begin_with_the_base_url_are_ignored(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any]
) -> None:
    form = await by_announcement(hass, {**announcement, "base_urls": [ELSEWHERE, pi.url]})
    assert shown_urls(form) == pi.url


@pytest.mark.parametrize("wrong", [["ftp://x"], "http://x", [1], [], {}, [f"http://10.0.0.{n}" for n in range(17)]])
async def test_addresses_that_are_none_cost_only_themselves(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], wrong: object
) -> None:
    form = await by_announcement(hass, {**announcement, "base_urls": wrong})
    assert shown_urls(form) == pi.url


async def test_the_record_of_multicast_dns_has_all_addresses(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_multicast(hass, pi.port, addresses="127.0.0.1,10.0.0.2")
    assert shown_urls(form) == f"{pi.url}, http://10.0.0.2:{pi.port}"
    assert (await add(hass, await submit(hass, form)))["data"]["url"] == pi.url


def test_the_addresses_of_a_record_come_in_their_order_and_once() -> None:
    record = {"id": "n", "name": "Pi", "auth": "none", "scheme": "http", "version": "1"}
    found = parse_zeroconf("172.17.0.1", 8000, {**record, "addresses": "192.168.1.20,nonsense, fd00::20,,192.168.1.20"})
    assert [str(url) for url in found.urls] == [
        "http://192.168.1.20:8000",
        "http://[fd00::20]:8000",
        "http://172.17.0.1:8000",
    ]
    assert [str(url) for url in parse_zeroconf("10.0.0.2", 80, record).urls] == ["http://10.0.0.2"]
