"""Follows a known server to a new address, if that is safe without asking a person."""

from dataclasses import replace

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntry
from homeassistant.core import HomeAssistant

from ..api.access import Access
from ..api.models import DiscoveredServer
from ..const import LOGGER
from .issues import async_address_unconfirmed
from .server_probe import UNTRUSTED, ProbeError, async_fetch_server


async def async_follow_address(hass: HomeAssistant, entry: ConfigEntry, discovered: DiscoveredServer) -> Access | None:
    """Return how to reach the server at the discovered address, or None if the known address still works.

    Raises `ProbeError` when the server is not followed. A repair issue asks to confirm the address if that can help.
    """
    if entry.source == SOURCE_IGNORE:
        return None
    known = Access.of(entry.data)
    if known.url == discovered.url:
        return None
    try:
        await async_fetch_server(hass, known, discovered.id)
    except ProbeError as error:
        LOGGER.debug("%s is no longer at %s (%s)", entry.title, known.url, error.key)
    else:
        # The server has several addresses, and the one that a person chose works.
        return None
    there = replace(known, url=discovered.url)
    if _is_safe(known, there):
        try:
            await async_fetch_server(hass, there, discovered.id)
        except ProbeError as error:
            if error.key != UNTRUSTED:
                raise
        else:
            return there
    async_address_unconfirmed(hass, entry, discovered.url)
    raise ProbeError("address_unconfirmed")


def _is_safe(known: Access, there: Access) -> bool:
    """Return whether a request may go to an address that anybody on the network could have announced.

    The certificate that a person accepted proves who answers. Without it, the token is sent to nobody, and a server
    that spoke TLS is not asked without TLS.
    """
    if known.fingerprint is not None and there.url.scheme == "https":
        return True
    return known.token is None and (known.url.scheme, there.url.scheme) != ("https", "http")
