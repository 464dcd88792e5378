"""How to reach a server: what its config entry stores."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from homeassistant.const import CONF_TOKEN, CONF_URL
from homeassistant.core import HomeAssistant
from homeassistant.helpers.aiohttp_client import async_get_clientsession
from yarl import URL

from ..const import CONF_FINGERPRINT
from .client import PiMjpegClient


@dataclass(frozen=True, slots=True)
class Access:
    """A server's address, its token if it needs one, and the fingerprint of a certificate that a person accepted.

    The fingerprint is the SHA-256 of the certificate, in hexadecimal. If it is None, Home Assistant has to trust the
    certificate; entries from before there was a fingerprint have none.
    """

    url: URL
    token: str | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read the data of an entry."""
        return cls(URL(data[CONF_URL]), data.get(CONF_TOKEN), data.get(CONF_FINGERPRINT))

    def data(self) -> dict[str, str]:
        """Return the data for an entry."""
        stored = {CONF_URL: str(self.url), CONF_TOKEN: self.token, CONF_FINGERPRINT: self.fingerprint}
        return {key: value for key, value in stored.items() if value}

    def client(self, hass: HomeAssistant) -> PiMjpegClient:
        """Return a client for the server."""
        return PiMjpegClient(async_get_clientsession(hass), self.url, self.token, self.fingerprint)
