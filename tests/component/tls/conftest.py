"""A Pi that speaks TLS, with a certificate that only a person's acceptance makes valid."""

import asyncio
import hashlib
import ssl
from collections.abc import AsyncIterator
from datetime import datetime

import pytest
import trustme
from homeassistant.config_entries import ConfigFlowResult
from homeassistant.core import HomeAssistant
from homeassistant.data_entry_flow import FlowResultType
from pytest_homeassistant_custom_component.common import (  # type: ignore[import-untyped]  # it brings no types
    MockConfigEntry,
)

from tests.component.conftest import add_entry
from tests.component.support.fake_pi import Pi

SECRET = "secret"  # noqa: S105 - a test's

UNKNOWN = r"the server\'s certificate is not trusted\: unable to get local issuer certificate"
CHANGED = "the server shows another certificate than the one that was accepted"
"""Reasons, as a form shows them."""


class Certificate:
    """A certificate for this machine, issued by this authority or by an unknown one."""

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
    """A running Pi that speaks https."""
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
    return add_entry(hass, url=pi.url, token=SECRET, fingerprint=certificate.fingerprint)


async def renew(pi: Pi, certificate: Certificate) -> None:
    """Start the server again with another certificate."""
    await pi.stop()
    pi.tls = certificate.context
    await pi.start(pi.port)
    pi.requests.clear()
    pi.authorizations.clear()


def assert_asked_about(form: ConfigFlowResult, pi: Pi, certificate: Certificate, reason: str, **errors: str) -> None:
    assert (form["type"], form["step_id"], form["errors"]) == (FlowResultType.FORM, "certificate", errors)
    assert form["description_placeholders"] == {
        "url": rf"https\:\/\/127\.0\.0\.1\:{pi.port}",
        "reason": reason,
        "fingerprint": certificate.as_shown,
    }
