"""A server's certificate is one that Home Assistant trusts, or the one that a person accepted; others get nothing."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import aiohttp
import pytest
import trustme
from aiohttp import web
from homeassistant.components.camera import async_get_image, async_get_stream_source
from homeassistant.config_entries import ConfigEntryState, ConfigFlowResult
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

from custom_components.pi_mjpeg.client import PiMjpegClient
from custom_components.pi_mjpeg.const import DOMAIN
from custom_components.pi_mjpeg.errors import CannotConnectError, InvalidResponseError, UntrustedError

from .conftest import poll, state_of
from .flows import NOWHERE, add, by_address, by_announcement, by_multicast, submit
from .pi import NODE, Pi, jpeg
from .test_issues import issues

FRONT = "camera.front_door"
SECRET = "secret"  # noqa: S105 - a test's


async def answer_nothing(_: web.Request) -> web.StreamResponse:
    return web.Response()


class Certificate:
    """A certificate for this machine: of an authority, or of one of its own that nobody knows."""

    def __init__(self, authority: trustme.CA | None = None, not_after: datetime | None = None) -> None:
        issued = (authority or trustme.CA()).issue_cert("127.0.0.1", not_after=not_after)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        issued.configure_cert(self.context)
        shown = ssl.PEM_cert_to_DER_cert(issued.cert_chain_pems[0].bytes().decode())
        self.fingerprint = hashlib.sha256(shown).hexdigest()

    @property
    def as_shown(self) -> str:
        """The fingerprint as OpenSSL prints it."""
        return ":".join(self.fingerprint[at : at + 2].upper() for at in range(0, 64, 2))


@pytest.fixture
def certificate() -> Certificate:
    """The server's certificate."""
    return Certificate()


@pytest.fixture
async def pi(certificate: Certificate) -> AsyncIterator[Pi]:
    """A Pi that is on and speaks https."""
    # In its debug mode the loop, which is the server's as well, counts a client that refuses a certificate as an error.
    asyncio.get_running_loop().set_debug(False)
    pi = Pi()
    pi.tls = certificate.context
    await pi.start()
    yield pi
    await pi.stop()


@pytest.fixture
def entry(hass: HomeAssistant, pi: Pi, certificate: Certificate) -> MockConfigEntry:
    """An entry for the Pi, whose certificate was accepted, not set up yet."""
    pi.token = SECRET
    data = {"url": pi.url, "token": SECRET, "fingerprint": certificate.fingerprint}
    entry = MockConfigEntry(domain=DOMAIN, unique_id=NODE, title="Garden Pi", data=data)
    entry.add_to_hass(hass)
    return entry


async def renew(pi: Pi, certificate: Certificate) -> None:
    """Start the server again with another certificate."""
    await pi.stop()
    pi.tls = certificate.context
    await pi.start(pi.port)
    pi.requests.clear()
    pi.shown.clear()


def assert_asked_about(form: ConfigFlowResult, pi: Pi, certificate: Certificate, reason: str, **errors: str) -> None:
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "certificate", errors)
    assert form["description_placeholders"] == {
        "url": rf"https\:\/\/127\.0\.0\.1\:{pi.port}",
        "reason": reason,
        "fingerprint": certificate.as_shown,
    }


UNKNOWN = r"the server\'s certificate is not trusted\: unable to get local issuer certificate"
CHANGED = "the server shows another certificate than the one that was accepted"


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
    assert pi.shown == []


async def test_a_form_says_when_the_server_went_away_meanwhile(hass: HomeAssistant, pi: Pi) -> None:
    form = await by_address(hass, pi.url)
    await pi.stop()
    form = await hass.config_entries.flow.async_configure(form["flow_id"])
    assert (form["step_id"], form["errors"]) == ("user", {"url": "cannot_connect"})


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
            lambda: client.kept_snapshot(loaded.runtime_data.snapshots["front"]),
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
    assert pi.shown == []
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
    assert pi.shown == []

    form = await submit(hass, await loaded.start_reconfigure_flow(hass), url=pi.url)
    assert_asked_about(form, pi, renewed, UNKNOWN)
    assert pi.shown == []
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
    assert pi.shown == []
    form = await submit(hass, await entry.start_reconfigure_flow(hass), url=pi.url)
    assert_asked_about(form, pi, expired, reason)
    await submit(hass, form)
    await hass.async_block_till_done()
    assert state_of(hass, FRONT) != "unavailable"
    assert entry.data == {"url": pi.url, "token": SECRET, "fingerprint": expired.fingerprint}


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
    assert pi.shown == []
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


async def test_who_has_the_accepted_certificate_is_followed_with_the_token(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, announcement: dict[str, Any]
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, "url": NOWHERE.replace("http", "https")})
    before = dict(entry.data)
    assert (await by_announcement(hass, {**announcement, "base_url": pi.url}))["reason"] == "already_configured"
    assert entry.data == {**before, "url": pi.url}
    await hass.async_block_till_done()
    assert entry.state is ConfigEntryState.LOADED


async def test_who_announces_a_known_server_with_another_certificate_gets_nothing(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    hass.config_entries.async_update_entry(entry, data={**entry.data, "url": NOWHERE.replace("http", "https")})
    before = dict(entry.data)
    await renew(pi, Certificate())
    assert (await by_multicast(hass, pi.port, scheme="https"))["reason"] == "address_unconfirmed"
    assert entry.data == before
    assert pi.requests == []
    assert set(issues(hass, entry)) == {"address_unconfirmed"}


async def test_who_had_a_certificate_is_not_followed_to_where_there_is_none(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry, certificate: Certificate
) -> None:
    gone = NOWHERE.replace("http", "https")
    plain = Pi()
    await plain.start()
    for data in ({"url": gone, "fingerprint": certificate.fingerprint}, {"url": gone}):
        hass.config_entries.async_update_entry(entry, data=data)
        assert (await by_multicast(hass, plain.port))["reason"] == "address_unconfirmed"
        assert entry.data == data
    assert plain.requests == []
    await plain.stop()


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


async def test_adding_a_known_server_again_remembers_the_certificate_it_has_now(
    hass: HomeAssistant, pi: Pi, entry: MockConfigEntry
) -> None:
    authority = trustme.CA()
    authority.configure_trust(get_default_context())
    await renew(pi, Certificate(authority))
    pi.token = None
    assert (await by_address(hass, pi.other_url))["reason"] == "already_configured"
    assert entry.data == {"url": pi.other_url, "token": SECRET}
    await hass.async_block_till_done()


async def test_a_recording_comes_from_home_assistant_itself(
    hass: HomeAssistant, pi: Pi, loaded: MockConfigEntry, hass_client_no_auth: ClientSessionGenerator
) -> None:
    pi.show(jpeg(1))
    source = await async_get_stream_source(hass, FRONT)
    assert source is not None
    assert SECRET not in source
    address = URL(source)
    assert address.origin() == URL(f"http://127.0.0.1:{hass.config.api.port}")  # type: ignore[union-attr]  # set up by the camera's dependencies
    response = await (await hass_client_no_auth()).get(address.path_qs)
    await response.content.readuntil(jpeg(1))
    response.close()
    hass.config.api.use_ssl = True  # type: ignore[union-attr]  # likewise
    assert await async_get_stream_source(hass, FRONT) is None


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
