"""Finds out who does not take the token of a server: another machine at its address wants a token of its own."""

from dataclasses import replace

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant

from ..api.access import Access
from ..api.errors import PiMjpegError
from ..api.identity import new_nonce
from ..const import DOMAIN, LOGGER
from . import issues


async def async_check_who_refused(hass: HomeAssistant, entry: ConfigEntry) -> None:
    """Report if another server answers at the address of this one. No token is sent.

    It tells its name only to who has its token, so it is called what it is called here, or by its id.
    """
    access = replace(Access.of(entry.data), token=None)
    try:
        node = (await access.client(hass).identity(None, new_nonce())).id
    except PiMjpegError as error:
        # An older server does not tell.
        LOGGER.debug("It is not known what answers at %s: %s", access.url, error)
        return
    if node != entry.unique_id and hass.config_entries.async_get_entry(entry.entry_id) is not None:
        known = hass.config_entries.async_entry_for_domain_unique_id(DOMAIN, node)
        issues.async_wrong_server(hass, entry, access.url, known.title if known else node)
