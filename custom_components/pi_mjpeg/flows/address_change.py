"""Follows a known server to a new address, when that is safe without asking anybody."""

from dataclasses import replace

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntry
from homeassistant.core import HomeAssistant

from ..api.access import Access
from ..api.models import DiscoveredServer
from ..const import LOGGER
from .issues import async_address_unconfirmed
from .server_probe import UNTRUSTED, ProbeError, server_at


async def moved(hass: HomeAssistant, entry: ConfigEntry, discovered: DiscoveredServer) -> Access | None:
    """Return how the server of `entry` is reached at the address that `discovered` says, None if it has not moved.

    Raises `ProbeError` when it is not followed; a person is asked to confirm the address if that can help.
    """
    if entry.source == SOURCE_IGNORE:
        return None
    known = Access.of(entry.data)
    if known.url == discovered.url:
        return None
    try:
        await server_at(hass, known, discovered.id)
    except ProbeError as error:
        LOGGER.debug("%s is no longer at %s (%s)", entry.title, known.url, error.key)
    else:
        # It has several addresses, and the one that a person chose works.
        return None
    there = replace(known, url=discovered.url)
    if _is_safe(known, there):
        try:
            await server_at(hass, there, discovered.id)
        except ProbeError as error:
            if error.key != UNTRUSTED:
                raise
        else:
            return there
    async_address_unconfirmed(hass, entry, discovered.url)
    raise ProbeError("address_unconfirmed")


def _is_safe(known: Access, there: Access) -> bool:
    """Say whether a server may be asked at an address that anybody on the network could have named.

    The certificate that a person accepted proves who answers. Without it nobody gets the token, and what was said over
    TLS is not said without.
    """
    if known.fingerprint is not None and there.url.scheme == "https":
        return True
    return known.token is None and (known.url.scheme, there.url.scheme) != ("https", "http")
