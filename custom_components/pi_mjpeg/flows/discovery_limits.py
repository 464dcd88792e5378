"""Bounds of what announcements can make Home Assistant log and show. Anybody on the network can make them."""

from collections.abc import Iterable
from typing import Final

from homeassistant.config_entries import SOURCE_MQTT, SOURCE_ZEROCONF, ConfigFlowResult
from homeassistant.core import HomeAssistant, callback
from homeassistant.util.hass_dict import HassKey

from ..api.rate_limit import RateLimitedLog
from ..const import DOMAIN, LOGGER

MAX_CARDS: Final = 16
"""How many servers that were found and not added yet are shown at a time."""

_FOUND: Final = frozenset({SOURCE_MQTT, SOURCE_ZEROCONF})
_LOG: HassKey[RateLimitedLog] = HassKey(f"{DOMAIN}_announcements_log")


@callback
def async_warn_of_announcement(hass: HomeAssistant, topic: str, reason: Exception) -> None:
    """Log that an announcement cannot be read, once an hour for each topic."""
    _log(hass).warn(topic, "Ignored the announcement on %s: %s", ascii(topic[:100]), reason)


@callback
def async_is_room_for_card(hass: HomeAssistant, flows: Iterable[ConfigFlowResult]) -> bool:
    """Return whether one more server that was found may be shown beside these flows. Log once an hour if not."""
    cards = sum("title_placeholders" in flow["context"] for flow in flows if flow["context"]["source"] in _FOUND)
    if cards < MAX_CARDS:
        return True
    _log(hass).warn(None, "Ignored a server that was found: %s wait to be added or ignored already", cards)
    return False


def _log(hass: HomeAssistant) -> RateLimitedLog:
    return hass.data.setdefault(_LOG, RateLimitedLog(LOGGER))
