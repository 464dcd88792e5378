"""Decides whether a server is gone when the broker says so: it stops, has lost its power, or only the broker stops."""

import asyncio
import math
from collections.abc import Callable
from time import monotonic
from typing import Final

from ..const import LOGGER
from .client import PiMjpegClient
from .errors import CannotConnectError, PiMjpegError

OFFLINE_GRACE: Final = 5.0
"""Seconds after `offline` in which an answer is ignored: a server that stops says so before it closes its port."""

OFFLINE_CHECK_TIMEOUT: Final = 3.0
"""Seconds that a server may take to show that it is not offline."""


class OfflineCheck:
    """What was said of a server, and since when it is gone. `on_offline` is called when it is."""

    def __init__(self, client: PiMjpegClient, on_offline: Callable[[], None]) -> None:
        self._client = client
        self._on_offline = on_offline
        self._since: float | None = None
        self._said: float | None = None
        self._answered = -math.inf
        self._is_asking = False

    def is_stopping(self, began: float) -> bool:
        """Return whether the server was gone, or was about to be, when a request began."""
        return self._since is not None and began - self._since < OFFLINE_GRACE

    def came_online(self) -> None:
        """Note that the server says that it is there."""
        self._since = self._said = None

    def answered(self) -> None:
        """Note that the server has answered. It may be about to stop all the same."""
        self._since = None
        self._answered = monotonic()

    def went_offline(self) -> None:
        """Note that the server is gone."""
        self._since = monotonic()
        self._on_offline()

    def events_ended(self) -> bool:
        """Return whether the server is gone, as its events have ended just after it was said to be."""
        if self._said is None or monotonic() - self._said >= OFFLINE_GRACE:
            return False
        self.went_offline()
        return True

    async def ask(self) -> None:
        """Ask a server that tells its events whether it is gone. A broker that is stopped says so of every server.

        One that stops still answers. Its events end soon after.
        """
        self._said = monotonic()
        if self._is_asking:
            return
        self._is_asking = True
        try:
            async with asyncio.timeout(OFFLINE_CHECK_TIMEOUT):
                await self._client.state()
        except TimeoutError, CannotConnectError:
            # Unless it came back meanwhile.
            if self._said is not None and self._answered < self._said:
                self.went_offline()
        except PiMjpegError as error:
            LOGGER.debug("The server is not offline, and answers: %s", error)
        finally:
            self._is_asking = False
