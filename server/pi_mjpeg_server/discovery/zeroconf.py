"""Announces the server on the local network by multicast DNS, for houses without a broker.

The service type and the TXT record are a contract with the Home Assistant component: `tests/contract`.
"""

import asyncio
import logging
from collections.abc import Callable, MutableMapping, Sequence

from zeroconf import Error, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.system.addresses import CHECK_INTERVAL, lan_addresses, reachable_addresses
from pi_mjpeg_server.system.identity import Identity

SERVICE_TYPE = "_pi-mjpeg._tcp.local."

_LOGGER = logging.getLogger(__name__)
_FAILURE = "the server cannot be announced by multicast DNS"
_MAX_VALUE_BYTES = 200
"""A string of a TXT record has at most 255 bytes, key included (RFC 6763, section 6.1)."""

PROBLEM = "duplicate_name"
"""The code of the problem that another server is announced under this one's id."""


def properties(identity: Identity, auth: str, scheme: str, addresses: Sequence[str]) -> dict[str, str]:
    """Return the TXT record: identity, `auth` (token or none), `scheme` (http or https) and addresses of the server.

    The addresses stand there, with commas, the best first, because address records have no order (RFC 1035).
    """
    name = identity.name.encode()[:_MAX_VALUE_BYTES].decode(errors="ignore")
    listed = ""
    for address in addresses:
        longer = f"{listed},{address}" if listed else address
        if len(longer) > _MAX_VALUE_BYTES:
            break
        listed = longer
    return {
        "id": identity.node,
        "name": name,
        "auth": auth,
        "scheme": scheme,
        "version": identity.version,
        "addresses": listed,
    }


class ZeroconfAnnouncer:
    """Announces the server, and again each time that the machine's addresses change."""

    def __init__(
        self,
        identity: Identity,
        settings: ServerSettings,
        auth: str,
        local_addresses: Callable[[], Sequence[str]] = lan_addresses,
        check_interval: float = CHECK_INTERVAL,
        problems: MutableMapping[str, str] | None = None,
    ) -> None:
        """Announce the port in `settings`; check every `check_interval` seconds whether the addresses have changed.

        Another server that is announced under the same id is put into `problems`, until it is gone.
        """
        self._identity = identity
        self._settings = settings
        self._auth = auth
        self._local_addresses = local_addresses
        self._check_interval = check_interval
        self._problems = {} if problems is None else problems
        self._rate_limited_log = RateLimitedLog()
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Announce the server in the background, as soon as there is a network."""
        self._task = create_logged_task(self._run(), "zeroconf")

    async def stop(self) -> None:
        """Withdraw the announcement."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            try:
                if addresses := await asyncio.to_thread(self._announced_addresses):
                    await self._announce(addresses)
                    self._rate_limited_log.reset()
                    continue
            except (OSError, Error) as error:
                reason = str(error) or type(error).__name__
                if isinstance(error, NonUniqueNameException):
                    # Zeroconf raises it without a text.
                    reason = self._problems[PROBLEM] = (
                        f"another server has the id {self._identity.node} and is announced already: give one of them a "
                        "new id with `pi-mjpeg new-id`, and restart it"
                    )
                self._rate_limited_log.warn("failure", f"{_FAILURE}: {reason}; trying again")
            except Exception as error:  # noqa: BLE001  (logged with its traceback)
                self._rate_limited_log.exception("failure", f"{_FAILURE}; trying again", error)
            await asyncio.sleep(self._check_interval)

    async def _announce(self, addresses: list[str]) -> None:
        """Announce these addresses until they change."""
        node = self._identity.node
        service = AsyncServiceInfo(
            SERVICE_TYPE,
            f"{node}.{SERVICE_TYPE}",
            port=self._settings.port,
            parsed_addresses=addresses,
            properties=properties(self._identity, self._auth, self._settings.scheme, addresses),
            # Not the machine's host name, which avahi announces.
            server=f"pi-mjpeg-{node}.local.",
        )
        # One socket for each interface is enough, and hosts without IPv4 are rare.
        zeroconf = AsyncZeroconf(interfaces=[each for each in addresses if ":" not in each] or addresses)
        try:
            await zeroconf.async_register_service(service)
            self._problems.pop(PROBLEM, None)
            _LOGGER.info("announced by multicast DNS at %s", ", ".join(addresses))
            while addresses == await asyncio.to_thread(self._announced_addresses):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(self._check_interval)
        finally:
            # Sends a goodbye packet (RFC 6762, section 10.1), so that others drop the announcement at once.
            await zeroconf.async_close()

    def _announced_addresses(self) -> list[str]:
        """Return the addresses at which other machines reach this server, the best first; empty if there are none."""
        return reachable_addresses(self._settings.host, self._local_addresses())
