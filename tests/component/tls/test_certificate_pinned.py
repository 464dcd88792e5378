"""Requests go only to a server with the accepted certificate. One with another certificate gets none."""

from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from homeassistant.components.camera import async_get_image, async_get_stream_source
from homeassistant.config_entries import ConfigEntryState
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from homeassistant.util.ssl import get_default_context
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)
from pytest_homeassistant_custom_component.typing import (  # type: ignore[import-untyped]  # likewise
    ClientSessionGenerator,
)
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.errors import CannotConnectError, InvalidResponseError, UntrustedError
from tests.component.conftest import FRONT, issues, poll, state_of
from tests.component.support.fake_pi import IDENTITY, IDENTITY_KEY, Pi, jpeg
from tests.component.support.flow_steps import NOWHERE, by_announcement, by_multicast, submit
from tests.component.support.repair_steps import press_button
from tests.component.tls.conftest import CHANGED, SECRET, UNKNOWN, Certificate, assert_asked_about, renew


async def answer_nothing(_: web.Request) -> web.StreamResponse:
    return web.Response()


async def test_everything_that_is_asked_goes_to_the_accepted_certificate_and_to_no_other(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    async def act(domain: str, action: str, entity_id: str, **data: object) -> None:
        await hass.services.async_call(domain, action, {"entity_id": entity_id, **data}, blocking=True)

    async def do_everything() -> int:
        """Return how much of it succeeded."""
        client: PiMjpegClient = loaded.runtime_data.client
        done = 0
        for ask in (
            client.state,
            lambda: async_get_image(hass, FRONT),
            lambda: act("button", "press", "button.front_door_take_snapshot"),
            lambda: act("button", "press", "button.front_door_restart"),
            lambda: act("number", "set_value", "number.front_door_brightness", value=0.5),
            lambda: client.kept.snapshot(loaded.runtime_data.snapshots["front"]),
            lambda: anext(client.stream("front")),
        ):
            try:
                await ask()
            except Exception:  # noqa: BLE001, S110 - each in words of its own
                pass
            else:
                done += 1
        return done

    pi.show(jpeg(1))
    pi.requests.clear()
    assert await do_everything() == 7
    assert len(pi.requests) >= 7
    await renew(pi, Certificate())
    assert await do_everything() == 0
    assert pi.requests == []
    assert pi.authorizations == []
    await hass.async_block_till_done()


async def test_a_changed_certificate_is_unavailable_and_said_once_until_it_is_accepted(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, caplog: pytest.LogCaptureFixture
) -> None:
    renewed = Certificate()
    await renew(pi, renewed)
    for _ in range(3):
        await poll(hass)
    assert state_of(hass, FRONT) == "unavailable"
    assert [record.levelname for record in caplog.records if CHANGED in record.getMessage()] == ["ERROR"]
    assert issues(hass, loaded) == {"certificate_untrusted": {"name": "Garden Pi", "reason": CHANGED}}
    assert pi.authorizations == []

    form = await submit(hass, await loaded.start_reconfigure_flow(hass), url=pi.url)
    assert_asked_about(form, pi, renewed, UNKNOWN)
    assert pi.authorizations == []
    result = await submit(hass, form)
    assert (result["type"], result["reason"]) == (FlowResultType.ABORT, "reconfigure_successful")
    await hass.async_block_till_done()
    assert loaded.data == {"url": pi.url, "token": SECRET, "fingerprint": renewed.fingerprint}
    assert state_of(hass, FRONT) != "unavailable"
    assert issues(hass, loaded) == {}


async def test_an_entry_that_accepted_no_certificate_verifies_as_before(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={"url": pi.url, "token": SECRET})
    assert not await hass.config_entries.async_setup(entry.entry_id)
    assert entry.state is ConfigEntryState.SETUP_RETRY
    assert issues(hass, entry) == {"certificate_untrusted": {"name": "Garden Pi", "reason": UNKNOWN}}
    assert pi.requests == []


async def test_a_certificate_that_expires_is_no_longer_trusted_unless_it_was_accepted(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    authority = trustme.CA()
    authority.configure_trust(get_default_context())
    expired = Certificate(authority, not_after=datetime.now(UTC) - timedelta(hours=1))
    hass.config_entries.async_update_entry(entry, data={"url": pi.url, "token": SECRET})
    await renew(pi, Certificate(authority))
    assert await hass.config_entries.async_setup(entry.entry_id)
    await renew(pi, expired)
    await poll(hass)
    assert state_of(hass, FRONT) == "unavailable"
    reason = r"the server\'s certificate is not trusted\: certificate has expired"
    assert issues(hass, entry) == {"certificate_untrusted": {"name": "Garden Pi", "reason": reason}}
    assert pi.authorizations == []
    form = await submit(hass, await entry.start_reconfigure_flow(hass), url=pi.url)
    assert_asked_about(form, pi, expired, reason)
    await submit(hass, form)
    await hass.async_block_till_done()
    assert state_of(hass, FRONT) != "unavailable"
    assert entry.data == {"url": pi.url, "token": SECRET, "fingerprint": expired.fingerprint}


async def test_a_server_with_the_accepted_certificate_that_proves_itself_is_followed(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, announcement: dict[str, Any]
) -> None:
    pi.identity_key = IDENTITY_KEY
    gone = {**entry.data, "url": NOWHERE.replace("http", "https"), "identity": IDENTITY}
    hass.config_entries.async_update_entry(entry, data=gone)
    moved = {**announcement, "base_url": pi.url, "cameras": []}
    assert (await by_announcement(hass, moved))["reason"] == "already_configured"
    assert entry.data == {**gone, "url": pi.url}
    assert pi.requests[0].startswith("GET /api/identity?")
    assert pi.authorizations[0] is None
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_an_announced_server_with_another_certificate_gets_no_request(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    gone = {**entry.data, "url": NOWHERE.replace("http", "https"), "identity": IDENTITY}
    hass.config_entries.async_update_entry(entry, data=gone)
    before = dict(entry.data)
    pi.identity_key = IDENTITY_KEY
    await renew(pi, Certificate())
    assert (await by_multicast(hass, pi.port, scheme="https"))["reason"] == "address_unconfirmed"
    assert entry.data == before
    assert pi.requests == []
    assert set(issues(hass, entry)) == {"address_unconfirmed"}


async def test_a_server_that_had_a_certificate_is_not_followed_to_plain_http(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, certificate: Certificate
) -> None:
    gone = NOWHERE.replace("http", "https")
    plain = Pi()
    await plain.start()
    plain.identity_key = IDENTITY_KEY
    for known in ({"url": gone, "fingerprint": certificate.fingerprint}, {"url": gone}):
        data = {**known, "identity": IDENTITY}
        hass.data.pop("pi_mjpeg_questions", None)
        hass.config_entries.async_update_entry(entry, data=data)
        assert (await by_multicast(hass, plain.port))["reason"] == "address_unconfirmed"
        assert entry.data == data
    assert plain.requests == []
    await plain.stop()


async def test_a_recording_comes_from_home_assistant_itself(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry
) -> None:
    pi.show(jpeg(1))
    source = await async_get_stream_source(hass, FRONT)
    assert source is not None
    assert SECRET not in source
    async with aiohttp.ClientSession() as session, session.get(source) as response:
        await response.content.readuntil(jpeg(1))


async def test_the_fingerprint_is_told_without_asking_the_server_anything(pi: Pi, certificate: Certificate) -> None:
    async with aiohttp.ClientSession() as session:
        client = PiMjpegClient(session, URL(pi.url), SECRET)
        assert await client.fingerprint() == certificate.fingerprint
        with pytest.raises(UntrustedError):
            await client.state()
        assert pi.requests == []
        await pi.stop()
        with pytest.raises(CannotConnectError, match=r"cannot be reached: [^<]*$"):
            await client.fingerprint()
        plain = Pi()
        plain.answers["/"] = answer_nothing
        await plain.start()
        with pytest.raises(InvalidResponseError):
            await PiMjpegClient(session, URL(plain.url)).fingerprint()
        await plain.stop()


async def test_a_renewed_certificate_is_accepted_with_a_button_once_it_was_compared(
    hass: HomeAssistant,
    pi: Pi,
    loaded: MockConfigEntry,
    certificate: Certificate,
    hass_client: ClientSessionGenerator,
) -> None:
    await renew(pi, Certificate())
    await poll(hass)
    assert set(issues(hass, loaded)) == {"certificate_untrusted"}
    repair = await press_button(hass, hass_client, loaded, "certificate_untrusted")
    assert repair.shown["description_placeholders"]["accepted"] == certificate.as_shown
    again = Certificate()
    await renew(pi, again)
    form = await repair.submit()
    assert (form["type"], form["errors"]) == ("form", {"base": "certificate_changed"})
    assert form["description_placeholders"] == {
        "name": "Garden Pi",
        "known_url": rf"https\:\/\/127\.0\.0\.1\:{pi.port}",
        "accepted": certificate.as_shown,
        "fingerprint": again.as_shown,
    }
    assert pi.authorizations == []
    assert (await repair.submit())["type"] == "create_entry"
    await hass.async_block_till_done()
    assert loaded.data == {"url": pi.url, "token": SECRET, "fingerprint": again.fingerprint}
    assert state_of(hass, FRONT) != "unavailable"
    assert issues(hass, loaded) == {}


async def test_a_certificate_that_nobody_shows_cannot_be_accepted(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client: ClientSessionGenerator
) -> None:
    await renew(pi, Certificate())
    await poll(hass)
    await pi.stop()
    before = dict(loaded.data)
    repair = await press_button(hass, hass_client, loaded, "certificate_untrusted")
    assert (repair.shown["type"], repair.shown["reason"]) == ("abort", "cannot_connect")
    assert loaded.data == before
