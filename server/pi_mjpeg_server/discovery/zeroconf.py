"""Announces the server on the local network by multicast DNS, for houses without a broker.

The service type and what its record holds are a contract with the Home Assistant component: `tests/contract`.
"""

import asyncio
import ipaddress
import logging
from collections.abc import Callable, Sequence
from contextlib import suppress

import ifaddr
from zeroconf import Error, NonUniqueNameException
from zeroconf.asyncio import AsyncServiceInfo, AsyncZeroconf

from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.system.identity import Identity

SERVICE = "_pi-mjpeg._tcp.local."

_LOGGER = logging.getLogger(__name__)
_LOOK_AGAIN = 30.0  # seconds; a Pi often boots before its network is there, and routers lend addresses for hours
_MAX_VALUE = 200  # bytes; a string of a TXT record has 255, key included (RFC 6763, section 6.1)

_NAMELESS: dict[type[Exception], str] = {NonUniqueNameException: "another server of this machine is announced already"}


def properties(identity: Identity, auth: str, scheme: str) -> dict[str, str]:
    """Return the TXT record: who the server is, whether it wants a token, and whether it speaks http or https."""
    name = identity.name.encode()[:_MAX_VALUE].decode(errors="ignore")
    return {"id": identity.node, "name": name, "auth": auth, "scheme": scheme, "version": identity.version}


def local_addresses() -> list[str]:
    """Return the IPv4 addresses under which other machines may reach this one."""
    ips = [ip for adapter in ifaddr.get_adapters() for ip in adapter.ips if ip.is_IPv4]
    return sorted({str(ip.ip) for ip in ips if not ipaddress.ip_address(str(ip.ip)).is_loopback})


class ZeroconfAnnouncer:
    """The announcement, renewed when the machine's addresses change."""

    def __init__(
        self,
        identity: Identity,
        settings: ServerSettings,
        auth: str,
        addresses: Callable[[], Sequence[str]] = local_addresses,
        look_again: float = _LOOK_AGAIN,
    ) -> None:
        """Announce the port that `settings` name; `addresses` tells those of this machine."""
        self._identity = identity
        self._settings = settings
        self._auth = auth
        self._addresses = addresses
        self._look_again = look_again
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Announce the server until stopped; does not wait for the network."""
        self._task = asyncio.create_task(self._run(), name="zeroconf")

    async def stop(self) -> None:
        """Withdraw the announcement."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        complained = False
        while True:
            addresses = await asyncio.to_thread(self._reachable)
            try:
                if addresses:
                    await self._announce(addresses)
                    complained = False
                else:
                    await asyncio.sleep(self._look_again)
            except (OSError, Error) as error:
                if not complained:
                    reason = _NAMELESS.get(type(error)) or str(error) or type(error).__name__
                    _LOGGER.warning("the server cannot be announced by multicast DNS: %s; trying on", reason)
                    complained = True
                await asyncio.sleep(self._look_again)

    async def _announce(self, addresses: list[str]) -> None:
        """Announce these addresses until they change."""
        node = self._identity.node
        service = AsyncServiceInfo(
            SERVICE,
            f"{node}.{SERVICE}",
            port=self._settings.port,
            parsed_addresses=addresses,
            properties=properties(self._identity, self._auth, self._settings.scheme),
            # Not the machine's own name, which is avahi's to announce.
            server=f"pi-mjpeg-{node}.local.",
        )
        announcer = AsyncZeroconf(interfaces=addresses)
        try:
            await announcer.async_register_service(service)
            _LOGGER.info("announced by multicast DNS at %s", ", ".join(addresses))
            while addresses == await asyncio.to_thread(self._reachable):  # noqa: ASYNC110 - the kernel sets no event
                await asyncio.sleep(self._look_again)
        finally:
            # Says goodbye, so that nobody goes on believing in it.
            await announcer.async_close()

    def _reachable(self) -> list[str]:
        """Return the addresses under which others reach this server, in order."""
        host = self._settings.host
        try:
            everywhere = host is None or ipaddress.ip_address(host).is_unspecified
        except ValueError:
            return []  # Listens on a name: the one who chose it tells it to others.
        return list(self._addresses()) if host is None or everywhere else [host]
