"""A server's certificate is one that Home Assistant trusts, or a person is asked whether to accept it."""

from typing import Any

import pytest
import trustme
from homeassistant.core import HomeAssistant
from homeassistant.util.ssl import get_default_context
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import FRONT, issues, poll, state_of
from tests.component.support.fake_pi import Pi
from tests.component.support.flow_steps import add, by_address, by_announcement, by_multicast, submit
from tests.component.tls.conftest import CHANGED, SECRET, UNKNOWN, Certificate, assert_asked_about, renew


async def test_a_certificate_of_its_own_is_shown_and_accepted(
    hass: HomeAssistant, pi: Pi, certificate: Certificate
) -> None:
    pi.token = SECRET
    form = await submit(hass, await by_address(hass), url=pi.url)
    assert_asked_about(form, pi, certificate, UNKNOWN)
    assert pi.requests == []
    form = await submit(hass, form)
    assert form["step_id"] == "token"
    result = await add(hass, await submit(hass, form, token=SECRET))
    assert result["data"] == {"url": pi.url, "token": SECRET, "fingerprint": certificate.fingerprint}
    assert state_of(hass, FRONT) != "unavailable"


async def test_a_certificate_that_home_assistant_trusts_is_not_asked_about(hass: HomeAssistant, pi: Pi) -> None:
    authority = trustme.CA()
    authority.configure_trust(get_default_context())
    await renew(pi, Certificate(authority))
    result = await add(hass, await by_address(hass, pi.url))
    assert result["data"] == {"url": pi.url}
    await renew(pi, Certificate(authority))
    await poll(hass)
    assert state_of(hass, FRONT) != "unavailable"


@pytest.mark.parametrize("found_by", ["announcement", "record"])
async def test_a_server_that_is_found_is_asked_for_its_certificate_once_confirmed(
    hass: HomeAssistant, pi: Pi, announcement: dict[str, Any], certificate: Certificate, found_by: str
) -> None:
    if found_by == "announcement":
        form = await by_announcement(hass, announcement)
    else:
        form = await by_multicast(hass, pi.port, scheme="https")
    assert form["step_id"] == "discovery_confirm"
    form = await submit(hass, form)
    assert_asked_about(form, pi, certificate, UNKNOWN)
    result = await add(hass, await submit(hass, form))
    assert result["data"] == {"url": pi.url, "fingerprint": certificate.fingerprint}


async def test_another_certificate_than_the_accepted_one_is_asked_about_again(
    hass: HomeAssistant, pi: Pi, certificate: Certificate
) -> None:
    pi.token = SECRET
    form = await by_address(hass, pi.url)
    other = Certificate()
    await renew(pi, other)
    form = await submit(hass, form)
    assert_asked_about(form, pi, other, CHANGED, base="certificate_changed")
    form = await submit(hass, form)
    assert form["step_id"] == "token"
    await renew(pi, certificate)
    form = await submit(hass, form, token=SECRET)
    assert_asked_about(form, pi, certificate, CHANGED, base="certificate_changed")
    assert pi.authorizations == []


async def test_a_form_says_when_the_server_went_away_meanwhile(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass, pi.url)
    await pi.stop()
    form = await hass.config_entries.flow.async_configure(form["flow_id"])
    assert (form["step_id"], form["errors"]) == ("user", {"url": "cannot_connect"})


async def test_the_accepted_certificate_is_not_asked_about_again(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, certificate: Certificate
) -> None:
    result = await submit(hass, await loaded.start_reconfigure_flow(hass), url=pi.other_url)
    assert result["reason"] == "reconfigure_successful"
    assert loaded.data == {"url": pi.other_url, "token": SECRET, "fingerprint": certificate.fingerprint}
    await hass.async_block_till_done()


async def test_a_new_token_goes_to_the_accepted_certificate_only(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, certificate: Certificate
) -> None:
    form = await loaded.start_reauth_flow(hass)
    pi.token = "new"  # noqa: S105 - a test's
    await renew(pi, Certificate())
    form = await submit(hass, form, token="new")  # noqa: S106 - likewise
    assert form["step_id"] == "certificate"
    assert pi.authorizations == []
    await renew(pi, certificate)
    form = await loaded.start_reauth_flow(hass)
    result = await submit(hass, form, token="new")  # noqa: S106 - likewise
    assert result["reason"] == "reauth_successful"
    assert loaded.data == {"url": pi.url, "token": "new", "fingerprint": certificate.fingerprint}
    await hass.async_block_till_done()


async def test_a_certificate_that_became_trusted_needs_no_acceptance_any_more(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    authority = trustme.CA()
    authority.configure_trust(get_default_context())
    await renew(pi, Certificate(authority))
    await submit(hass, await loaded.start_reconfigure_flow(hass), url=pi.url)
    assert loaded.data == {"url": pi.url, "token": SECRET}
    await hass.async_block_till_done()


async def test_a_server_that_turns_tls_on_is_confirmed_and_followed(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, certificate: Certificate
) -> None:
    pi.token = None
    hass.config_entries.async_update_entry(entry, data={"url": pi.url.replace("https", "http")})
    assert (await by_multicast(hass, pi.port, scheme="https"))["reason"] == "address_unconfirmed"
    form = await submit(hass, await entry.start_reconfigure_flow(hass), url=pi.url)
    await submit(hass, form)
    assert entry.data == {"url": pi.url, "fingerprint": certificate.fingerprint}
    await hass.async_block_till_done()
    assert issues(hass, entry) == {}


async def test_adding_a_known_server_again_does_not_drop_the_certificate_that_was_accepted(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    authority = trustme.CA()
    authority.configure_trust(get_default_context())
    await renew(pi, Certificate(authority))
    pi.token = None
    before = dict(entry.data)
    assert (await by_address(hass, pi.other_url))["reason"] == "already_configured"
    assert entry.data == before
    await hass.async_block_till_done()
