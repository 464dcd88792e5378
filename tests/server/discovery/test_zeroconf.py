"""The server is found by multicast DNS, on the interfaces it listens on, and says goodbye."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.discovery.zeroconf import SERVICE, ZeroconfAnnouncer, local_addresses, properties
from pi_mjpeg_server.system.identity import Identity
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from tests.server.support.scripted_camera import until

# Another one in each run: all runs on this machine share its loopback.
NODE = secrets.token_hex(6)
IDENTITY = Identity(NODE, "Garden Pi", None, None, "0.1.0")
NAME = f"{NODE}.{SERVICE}"


class Network:
    """What a browser on this machine's loopback sees."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self.zeroconf = zeroconf
        self.there: set[str] = set()

    def changed(
        self,
        zeroconf: Zeroconf,  # noqa: ARG002 - python-zeroconf's signature, given by name
        service_type: str,  # noqa: ARG002 - likewise
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        """Remember who came and went."""
        if state_change is ServiceStateChange.Removed:
            self.there.discard(name)
        else:
            self.there.add(name)

    async def found(self) -> AsyncServiceInfo:
        """Ask for the service's details."""
        info = AsyncServiceInfo(SERVICE, NAME)
        assert await info.async_request(self.zeroconf.zeroconf, 5000)
        return info


@pytest_asyncio.fixture
async def network() -> AsyncIterator[Network]:
    """A browser that looks for servers."""
    network = Network(AsyncZeroconf(interfaces=["127.0.0.1"]))
    browser = AsyncServiceBrowser(network.zeroconf.zeroconf, SERVICE, handlers=[network.changed])
    yield network
    await browser.async_cancel()
    await network.zeroconf.async_close()


@pytest.mark.asyncio
async def test_the_server_is_found_with_what_the_component_needs_and_says_goodbye(network: Network) -> None:
    announcer = ZeroconfAnnouncer(IDENTITY, ServerSettings(host="127.0.0.1", port=8123), "token")
    announcer.start()
    await until(lambda: NAME in network.there, 10)
    info = await network.found()
    assert info.port == 8123
    assert info.parsed_addresses() == ["127.0.0.1"]
    assert info.decoded_properties == {
        "id": NODE,
        "name": "Garden Pi",
        "auth": "token",
        "scheme": "http",
        "version": "0.1.0",
    }
    await announcer.stop()
    await until(lambda: NAME not in network.there, 10)


@pytest.mark.asyncio
async def test_a_network_that_comes_late_and_changes_is_followed(network: Network) -> None:
    addresses: list[str] = []
    announcer = ZeroconfAnnouncer(IDENTITY, ServerSettings(), "none", lambda: list(addresses), look_again=0.1)
    announcer.start()
    await asyncio.sleep(0.5)
    assert NAME not in network.there
    addresses.append("127.0.0.1")
    await until(lambda: NAME in network.there, 10)
    assert (await network.found()).parsed_addresses() == ["127.0.0.1"]
    addresses.append("127.0.0.2")
    async with asyncio.timeout(10):
        while sorted((await network.found()).parsed_addresses()) != ["127.0.0.1", "127.0.0.2"]:  # noqa: ASYNC110 - it asks the network
            await asyncio.sleep(0.1)
    await announcer.stop()


@pytest.mark.asyncio
async def test_a_network_that_refuses_is_told_once_and_tried_again(
    network: Network, caplog: pytest.LogCaptureFixture
) -> None:
    addresses = ["192.0.2.1"]  # not an address of this machine (RFC 5737)
    everywhere = ServerSettings(host="0.0.0.0")  # noqa: S104  (the addresses below stand for all)
    announcer = ZeroconfAnnouncer(IDENTITY, everywhere, "none", lambda: list(addresses), look_again=0.1)
    announcer.start()
    await asyncio.sleep(0.5)
    addresses[:] = ["127.0.0.1"]
    await until(lambda: NAME in network.there, 10)
    await announcer.stop()
    assert caplog.text.count("cannot be announced") == 1


def test_loopback_is_nothing_to_tell_others() -> None:
    assert "127.0.0.1" not in local_addresses()


def test_a_long_name_fits_the_record() -> None:
    name = properties(Identity("a", "ü" * 200), "none", "http")["name"]
    assert name == "ü" * 100
