"""The server is announced by multicast DNS on the interfaces that it listens on, and withdraws when it stops."""

import asyncio
import secrets
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.discovery.zeroconf import SERVICE_TYPE, ZeroconfAnnouncer, properties
from pi_mjpeg_server.system.identity import Identity
from zeroconf import ServiceStateChange, Zeroconf
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

from tests.server.support.scripted_camera import until

# Random, because all runs on this machine share its loopback interface.
NODE = secrets.token_hex(6)
IDENTITY = Identity(NODE, "Garden Pi", None, None, "0.1.0")
NAME = f"{NODE}.{SERVICE_TYPE}"


class Browser:
    """The services that a Zeroconf browser on this machine's loopback interface finds."""

    def __init__(self, zeroconf: AsyncZeroconf) -> None:
        self.zeroconf = zeroconf
        self.names: set[str] = set()

    def changed(
        self,
        zeroconf: Zeroconf,  # noqa: ARG002 - python-zeroconf's signature, given by name
        service_type: str,  # noqa: ARG002 - likewise
        name: str,
        state_change: ServiceStateChange,
    ) -> None:
        """Record an added or removed service (called by the browser)."""
        if state_change is ServiceStateChange.Removed:
            self.names.discard(name)
        else:
            self.names.add(name)

    async def service_info(self) -> AsyncServiceInfo:
        """Return address, port and TXT record of the server."""
        info = AsyncServiceInfo(SERVICE_TYPE, NAME)
        assert await info.async_request(self.zeroconf.zeroconf, 5000)
        return info


@pytest_asyncio.fixture
async def browser() -> AsyncIterator[Browser]:
    """A browser for the server's service type."""
    browser = Browser(AsyncZeroconf(interfaces=["127.0.0.1"]))
    service_browser = AsyncServiceBrowser(browser.zeroconf.zeroconf, SERVICE_TYPE, handlers=[browser.changed])
    yield browser
    await service_browser.async_cancel()
    await browser.zeroconf.async_close()


@pytest.mark.asyncio
async def test_the_server_is_announced_with_what_the_component_needs_and_withdrawn_at_the_end(browser: Browser) -> None:
    announcer = ZeroconfAnnouncer(IDENTITY, ServerSettings(host="127.0.0.1", port=8123), "token")
    announcer.start()
    await until(lambda: NAME in browser.names, 10)
    info = await browser.service_info()
    assert info.port == 8123
    assert info.parsed_addresses() == ["127.0.0.1"]
    assert info.decoded_properties == {
        "id": NODE,
        "name": "Garden Pi",
        "auth": "token",
        "scheme": "http",
        "version": "0.1.0",
        "addresses": "127.0.0.1",
    }
    await announcer.stop()
    await until(lambda: NAME not in browser.names, 10)


@pytest.mark.asyncio
async def test_the_announcement_follows_a_network_that_comes_late_and_changes(browser: Browser) -> None:
    addresses: list[str] = []
    announcer = ZeroconfAnnouncer(IDENTITY, ServerSettings(), "none", lambda: list(addresses), check_interval=0.1)
    announcer.start()
    await asyncio.sleep(0.5)
    assert NAME not in browser.names
    addresses.append("127.0.0.1")
    await until(lambda: NAME in browser.names, 10)
    assert (await browser.service_info()).parsed_addresses() == ["127.0.0.1"]
    addresses.append("127.0.0.2")
    async with asyncio.timeout(10):
        while sorted((await browser.service_info()).parsed_addresses()) != ["127.0.0.1", "127.0.0.2"]:  # noqa: ASYNC110 - it asks the network
            await asyncio.sleep(0.1)
    await announcer.stop()


@pytest.mark.asyncio
async def test_a_failure_is_logged_once_and_tried_again(browser: Browser, caplog: pytest.LogCaptureFixture) -> None:
    addresses = ["192.0.2.1"]  # not an address of this machine (RFC 5737)
    everywhere = ServerSettings(host="0.0.0.0")  # noqa: S104  (only the addresses below are announced)
    announcer = ZeroconfAnnouncer(IDENTITY, everywhere, "none", lambda: list(addresses), check_interval=0.1)
    announcer.start()
    await asyncio.sleep(0.5)
    addresses[:] = ["127.0.0.1"]
    await until(lambda: NAME in browser.names, 10)
    await announcer.stop()
    assert caplog.text.count("cannot be announced") == 1


@pytest.mark.asyncio
async def test_all_addresses_are_told_with_their_order_and_a_new_order_is_announced(browser: Browser) -> None:
    # Those of IPv4 belong to this machine, so that it can announce them; the other is for documentation (RFC 3849).
    addresses = ["127.0.0.9", "127.0.0.1", "127.0.0.5", "2001:db8::7"]
    announcer = ZeroconfAnnouncer(IDENTITY, ServerSettings(), "none", lambda: list(addresses), check_interval=0.1)
    announcer.start()
    await until(lambda: NAME in browser.names, 10)
    info = await browser.service_info()
    assert set(info.parsed_addresses()) == set(addresses)
    assert info.decoded_properties["addresses"] == ",".join(addresses)
    addresses[:] = ["127.0.0.5", "127.0.0.1"]
    async with asyncio.timeout(10):
        while (await browser.service_info()).decoded_properties["addresses"] != "127.0.0.5,127.0.0.1":  # noqa: ASYNC110 - it asks the network
            await asyncio.sleep(0.1)
    await announcer.stop()


@pytest.mark.asyncio
async def test_another_server_with_the_same_id_is_named_until_it_is_gone(
    browser: Browser, caplog: pytest.LogCaptureFixture
) -> None:
    settings = ServerSettings(host="127.0.0.1", port=8123)
    problems: dict[str, str] = {}
    first = ZeroconfAnnouncer(IDENTITY, settings, "none")
    first.start()
    await until(lambda: NAME in browser.names, 10)
    second = ZeroconfAnnouncer(IDENTITY, settings, "none", check_interval=0.1, problems=problems)
    second.start()
    await until(lambda: "duplicate_name" in problems, 10)
    assert NODE in problems["duplicate_name"]
    assert "pi-mjpeg new-id" in problems["duplicate_name"]
    await asyncio.sleep(1)
    assert caplog.text.count("pi-mjpeg new-id") == 1
    await first.stop()
    await until(lambda: not problems, 20)
    await second.stop()


def test_a_long_list_of_addresses_is_cut_between_two() -> None:
    addresses = [f"2001:db8::{number}" for number in range(100, 130)]
    listed = properties(Identity("a", "b"), "none", "http", addresses)["addresses"]
    assert len(listed) <= 200
    assert listed.split(",") == addresses[: listed.count(",") + 1]


@pytest.mark.asyncio
@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), ValueError("no such adapter")])
async def test_an_address_lookup_that_raises_is_logged_and_tried_again(
    browser: Browser, caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    lookups = 0

    def fail_at_first_and_later() -> list[str]:
        nonlocal lookups
        lookups += 1
        if lookups in {1, 2, 5, 6}:
            raise error
        return ["127.0.0.1"]

    everywhere = ServerSettings(host="0.0.0.0")  # noqa: S104  (only the address above is announced)
    announcer = ZeroconfAnnouncer(IDENTITY, everywhere, "none", fail_at_first_and_later, check_interval=0.1)
    announcer.start()
    await until(lambda: NAME in browser.names, 10)
    await until(lambda: lookups > 10, 20)
    await until(lambda: NAME in browser.names, 10)
    await announcer.stop()
    await until(lambda: NAME not in browser.names, 10)
    assert caplog.text.count("cannot be announced") == 1
    assert str(error.args[-1]) in caplog.text
    assert ("Traceback" in caplog.text) == isinstance(error, ValueError)


def test_a_long_name_is_cut_to_fit_the_txt_record() -> None:
    name = properties(Identity("a", "ü" * 200), "none", "http", [])["name"]
    assert name == "ü" * 100
