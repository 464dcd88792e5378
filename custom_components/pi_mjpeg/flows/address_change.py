"""Follows a known server to a new address, if it proves that it is the same."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from homeassistant.config_entries import SOURCE_IGNORE, ConfigEntry, ConfigEntryState
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey
from yarl import URL

from ..api.access import Access
from ..api.errors import PiMjpegError
from ..api.identity import Identity, is_proven, may_be_asked, new_nonce
from ..api.rate_limit import OncePer
from ..const import DOMAIN, LOGGER
from .issues import async_address_unconfirmed, async_is_address_unconfirmed, async_twins
from .server_probe import ProbeError, async_fetch_server
from .twins import async_is_twin

QUESTION_INTERVAL: Final = 60.0
"""Seconds in which a server is looked for at the same address once."""

MAX_ADDRESSES: Final = 8
"""How many addresses are asked about one server in that time."""


class UnprovenError(Exception):
    """A known server was announced at an address where nothing proved to be it."""


_QUESTIONS: HassKey[dict[str, OncePer]] = HassKey(f"{DOMAIN}_questions")


async def async_follow_address(hass: HomeAssistant, entry: ConfigEntry, urls: Sequence[URL]) -> Access | None:
    """Return how to reach the entry's server at the first announced address that proves to be it, the best first.

    Returns None if nothing is to be changed. Raises `UnprovenError` when it is not where it was, and did not prove that
    it is at any of them. A repair issue asks a person then.
    """
    if entry.source == SOURCE_IGNORE:
        return None
    known = Access.of(entry.data).url
    is_announced = known in urls
    if is_announced and _answered_last(entry):
        return None
    others = [url for url in urls if url != known and _is_turn_of(hass, entry, url)]
    if not others:
        if not is_announced and async_is_address_unconfirmed(hass, entry):
            raise UnprovenError
        return None
    if await async_is_reachable(hass, entry):
        # The server has several addresses, and the one that a person chose works. Or there are two.
        if not is_announced:
            await _async_check_twin(hass, entry, others[0])
        return None
    for url in others:
        if (access := await async_proven_access(hass, entry, url)) is not None:
            return access
    if is_announced:
        # It is there, but does not answer now.
        return None
    async_address_unconfirmed(hass, entry, others[0])
    raise UnprovenError


async def async_follow_typed_address(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> Access | None:
    """Return how to reach the entry's server at an address that a person typed, or None if it is not followed."""
    if Access.of(entry.data).url == url or not _is_turn_of(hass, entry, url):
        return None
    if await async_is_reachable(hass, entry):
        await _async_check_twin(hass, entry, url)
        return None
    return await async_proven_access(hass, entry, url)


async def _async_check_twin(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> None:
    if await async_is_twin(hass, entry, url):
        async_twins(hass, entry)


async def async_is_reachable(hass: HomeAssistant, entry: ConfigEntry) -> bool:
    """Return whether the server answers at its known address."""
    known = Access.of(entry.data)
    try:
        await async_fetch_server(hass, known, entry.unique_id)
    except ProbeError as error:
        LOGGER.debug("%s is no longer at %s (%s)", entry.title, known.url, error.key)
        return False
    return True


async def async_proven_access(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> Access | None:
    """Return how to reach the entry's server at `url`, or None if it did not prove that it is there.

    The address may be anybody's. All that is sent to it is a question that only the server itself can answer, without
    the token, and over TLS only to the certificate that was accepted.
    """
    known, identity, node = Access.of(entry.data), Identity.of(entry.data), entry.unique_id
    if identity is None or node is None or not may_be_asked(known.url, url):
        return None
    if known.fingerprint is not None and url.scheme != "https":
        return None
    nonce = new_nonce()
    try:
        answer = await replace(known, url=url, token=None).client(hass).identity(identity.key, nonce)
    except PiMjpegError as error:
        LOGGER.debug("No proof that %s is at %s: %s", entry.title, url, error)
        return None
    if not is_proven(answer, identity, nonce, node):
        LOGGER.debug("What answers at %s is not %s", url, entry.title)
        return None
    if Access.of(entry.data) != known:
        # A person has changed it meanwhile.
        return None
    LOGGER.info("%s has moved from %s to %s, and proved that it is the same", entry.title, known.url, url)
    return replace(known, url=url)


@callback
def _answered_last(entry: ConfigEntry) -> bool:
    """Return whether the last request to the known address was answered. Nothing is sent."""
    return entry.state is ConfigEntryState.LOADED and bool(entry.runtime_data.last_update_success)


@callback
def _is_turn_of(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> bool:
    """Return whether this address may be asked now. Anybody can announce one, as often as they like."""
    questions = hass.data.setdefault(_QUESTIONS, {})
    asked = questions.setdefault(entry.entry_id, OncePer(MAX_ADDRESSES, QUESTION_INTERVAL))
    return asked.allows(str(url))
