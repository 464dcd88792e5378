"""Notices that two machines answer under one id, as copies of one SD card do."""

from collections import deque
from dataclasses import replace
from datetime import datetime
from typing import Final

from homeassistant.config_entries import ConfigEntry
from homeassistant.core import HomeAssistant
from yarl import URL

from ..api.access import Access
from ..api.errors import PiMjpegError
from ..api.identity import Identity, may_be_asked, new_nonce
from ..const import LOGGER

PROBLEMS: Final = frozenset({"duplicate_id", "duplicate_name"})
"""The problems of a server that has noticed another one itself, over MQTT or by multicast DNS."""

_RETURNS: Final = 3
"""How often a former start time has to come back. Once, it can be a late message of a server that was restarted."""

_MAX_START_TIMES: Final = 8


class Twins:
    """Compares the start times that one server says. One that restarts has a new one, and never the former again."""

    def __init__(self) -> None:
        self._former: deque[datetime] = deque(maxlen=_MAX_START_TIMES)
        self._present: datetime | None = None
        self._returns = 0

    def seen(self, started_at: datetime | None) -> bool:
        """Return whether two machines are known to answer, after one of them said its start time, if it knows it."""
        if started_at is not None and started_at != self._present:
            if started_at in self._former:
                self._returns += 1
            if self._present is not None and self._present not in self._former:
                self._former.append(self._present)
            self._present = started_at
        return self._returns >= _RETURNS


async def async_is_twin(hass: HomeAssistant, entry: ConfigEntry, url: URL) -> bool:
    """Return whether another machine than the one at the known address answers at `url` under the entry's id.

    Many machines have two addresses. `url` may be anybody's: all that is sent to it is the question that a known server
    at a new address gets, without the token.
    """
    known, identity = Access.of(entry.data), Identity.of(entry.data)
    if identity is None or not may_be_asked(known.url, url):
        return False

    async def instance(access: Access) -> str | None:
        answer = await access.client(hass).identity(identity.key, new_nonce())
        return answer.instance if answer.id == entry.unique_id else None

    try:
        here, there = await instance(known), await instance(replace(known, url=url, token=None))
        # The known one may have restarted in between.
        return None not in {here, there} and here != there and here == await instance(known)
    except PiMjpegError as error:
        LOGGER.debug("Not known whether %s is at %s as well: %s", entry.title, url, error)
        return False
