"""Announces the server on the local network by multicast DNS, for houses without a broker.

The service type and the TXT record are a contract with the Home Assistant component: `tests/contract`.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence

import ifaddr
from zeroconf import Error, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from pi_mjpeg_server.concurrency.tasks import create_logged_task
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.logs import RateLimitedLog
from pi_mjpeg_server.system.identity import Identity

SERVICE_TYPE = "_pi-mjpeg._tcp.local."

_LOGGER = logging.getLogger(__name__)
_CHECK_INTERVAL = 30.0
"""Seconds. A Pi often boots before its network is up, and DHCP may later assign another address."""
_FAILURE = "the server cannot be announced by multicast DNS"
_MAX_VALUE_BYTES = 200
"""A string of a TXT record has at most 255 bytes, key included (RFC 6763, section 6.1)."""

_ERROR_TEXTS: dict[type[Exception], str] = {
    # Zeroconf raises it without a text.
    NonUniqueNameException: "another server on this machine is already announced",
}


def properties(identity: Identity, auth: str, scheme: str) -> dict[str, str]:
    """Return the TXT record: identity, `auth` (token or none) and `scheme` (http or https) of the server."""
    name = identity.name.encode()[:_MAX_VALUE_BYTES].decode(errors="ignore")
    return {"id": identity.node, "name": name, "auth": auth, "scheme": scheme, "version": identity.version}


def local_addresses() -> list[str]:
    """Return this machine's IPv4 addresses, sorted, without loopback."""
    ips = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return sorted({str(ip.ip) for ip in ips if not ipaddress.ip_address(str(ip.ip)).is_loopback})


class ZeroconfAnnouncer:
    """Announces the server, and again each time that the machine's addresses change."""

    def __init__(
        self,
        identity: Identity,
        settings: ServerSettings,
        auth: str,
        local_addresses: Callable[[], Sequence[str]] = local_addresses,
        check_interval: float = _CHECK_INTERVAL,
    ) -> None:
        """Announce the port in `settings`; check every `check_interval` seconds whether the addresses have changed."""
        self._identity = identity
        self._settings = settings
        self._auth = auth
        self._local_addresses = local_addresses
        self._check_interval = check_interval
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
                reason = _ERROR_TEXTS.get(type(error)) or str(error) or type(error).__name__
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
            properties=properties(self._identity, self._auth, self._settings.scheme),
            # Not the machine's host name, which avahi announces.
            server=f"pi-mjpeg-{node}.local.",
        )
        zeroconf = AsyncZeroconf(interfaces=addresses)
        try:
            await zeroconf.async_register_service(service)
            _LOGGER.info("announced by multicast DNS at %s", ", ".join(addresses))
            while addresses == await asyncio.to_thread(self._announced_addresses):  # noqa: ASYNC110 - there is no event
                await asyncio.sleep(self._check_interval)
        finally:
            # Sends a goodbye packet (RFC 6762, section 10.1), so that others drop the announcement at once.
            await zeroconf.async_close()

    def _announced_addresses(self) -> list[str]:
        """Return the addresses at which other machines reach this server, sorted; empty if they are unknown."""
        host = self._settings.host
        try:
            listens_on_all = host is None or ipaddress.ip_address(host).is_unspecified
        except ValueError:
            # A host name: the person who configured it gives it to others, too.
            return []
        return list(self._local_addresses()) if host is None or listens_on_all else [host]
