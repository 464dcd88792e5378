"""How a server is reached, as its entry remembers it."""

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
    """A server's address, its token if it wants one, and its certificate if a person had to accept that.

    The certificate is the SHA-256 fingerprint of the one that a person accepted, in hexadecimal. With None it has to be
    one that Home Assistant trusts, as every certificate had to be before there was this choice.
    """

    url: URL
    token: str | None = None
    fingerprint: str | None = None

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Self:
        """Read what `data` remembers."""
        return cls(URL(data[CONF_URL]), data.get(CONF_TOKEN), data.get(CONF_FINGERPRINT))

    def data(self) -> dict[str, str]:
        """Return what an entry has to remember."""
        remembered = {CONF_URL: str(self.url), CONF_TOKEN: self.token, CONF_FINGERPRINT: self.fingerprint}
        return {key: value for key, value in remembered.items() if value}

    def client(self, hass: HomeAssistant) -> PiMjpegClient:
        """Return a client for the server."""
        return PiMjpegClient(async_get_clientsession(hass), self.url, self.token, self.fingerprint)
