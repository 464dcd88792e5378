"""Connections that show no token make room, so that nobody keeps whoever has the token out by holding them open."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.security.connection_slot import ConnectionSlot
from pi_mjpeg_server.web.security.proven_clients import ProvenClients
from pi_mjpeg_server.web.transport import connection_limit
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit

from tests.server.support.concurrent_viewer import undisturbed_viewer
from tests.server.support.raw_http import open_connection, read_response, seconds_until_closed
from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.web.transport.test_tls import trusting, write

OWNER, HOLDERS = "127.0.9.9", "127.0.3.{}"
FEW_VIEWERS: dict[str, Any] = {"max_viewers": 2, "max_viewers_per_camera": 2, "max_viewers_per_address": 2}
FORM = b"application/x-www-form-urlencoded"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


def refuse_to_close(slot: ConnectionSlot) -> None:
    """Fail: there is room, or nothing may be closed."""
    raise AssertionError(slot)


def full_limit(
    *clients: str,
    proven: ProvenClients | None = None,
    **settings: Any,  # noqa: ANN401  (those of [server])
) -> tuple[ConnectionLimit, list[ConnectionSlot]]:
    """Return a limit with as many connections as it allows, by these clients in turn."""
    limit = ConnectionLimit(ServerSettings(**settings), proven or ProvenClients())
    slots = []
    for number in range(limit.max_connections):
        slot = limit.acquire(clients[number % len(clients)], 0, refuse_to_close)
        assert slot is not None
        slots.append(slot)
    return limit, slots


def closed_for(limit: ConnectionLimit, address: str) -> ConnectionSlot | None:
    """Return the slot that makes room for a connection from this address."""
    closed: list[ConnectionSlot] = []
    acquired = limit.acquire(address, 2, closed.append)
    assert (acquired is None) == (closed == [])
    return closed[0] if closed else None


FIVE = tuple(f"192.0.2.{number}" for number in range(1, 6))


def test_the_oldest_without_a_whole_request_makes_room_then_the_oldest_without_a_token_and_no_other() -> None:
    limit, slots = full_limit(*FIVE)
    for slot in slots[:-5]:
        slot.has_requested = slot.is_answered = True
    for slot in slots[5:-5]:
        slot.is_protected = True
    for expected in (*slots[-5:], *slots[:5]):
        closed: list[ConnectionSlot] = []
        new = limit.acquire("192.0.2.99", 2, closed.append)
        assert new is not None
        new.is_protected = True
        assert closed == [expected]
    assert limit.acquire("192.0.2.98", 0, refuse_to_close) is None
    # A slot that was taken away is not released twice.
    limit.release(slots[0])
    assert limit.acquire("192.0.2.98", 0, refuse_to_close) is None
    limit.release(slots[5])
    assert limit.acquire("192.0.2.98", 0, refuse_to_close) is not None


def test_a_connection_that_is_new_or_waits_for_its_answer_may_still_show_the_token() -> None:
    limit, slots = full_limit("192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4")
    for slot in slots[:-4]:
        slot.has_requested = True
    for slot in slots[4:8]:
        slot.is_answered = True
    closed: list[ConnectionSlot] = []
    for now in (0.9, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1, 1.1):
        limit.acquire("192.0.2.5", now, closed.append)
    assert closed == [slots[4], *slots[-3:], slots[-4], *slots[5:8], slots[0]]


def test_the_client_with_the_most_connections_loses_one() -> None:
    limit, _ = full_limit("192.0.2.1", *(f"192.0.2.{number}" for number in range(1, 8)))
    closed = [closed_for(limit, "192.0.2.9") for _ in range(10)]
    assert {slot.client for slot in closed if slot} == {"192.0.2.1"}


def test_clients_that_showed_the_token_lately_lose_theirs_last() -> None:
    proven = ProvenClients()
    limit, slots = full_limit(*FIVE, proven=proven)
    proven.add(FIVE[0], 0)
    others = [slot for slot in slots if slot.client != FIVE[0]]
    closed = [closed_for(limit, f"198.51.100.{number}") for number in range(120)]
    assert set(closed).isdisjoint(set(slots) - set(others))


def test_a_client_with_as_many_as_it_may_have_loses_one_of_its_own() -> None:
    limit = ConnectionLimit(ServerSettings(), ProvenClients())
    slots = [limit.acquire("192.0.2.1", 0, refuse_to_close) for _ in range(limit.max_per_client)]
    limit.acquire("192.0.2.2", 0, refuse_to_close)
    assert closed_for(limit, "192.0.2.1") is slots[0]
    for slot in slots[2:]:
        assert slot is not None
        slot.is_protected = True
    assert closed_for(limit, "192.0.2.1") is slots[1]


def test_a_client_does_not_lose_one_that_waits_for_its_answer_to_a_new_one_of_its_own() -> None:
    limit = ConnectionLimit(ServerSettings(), ProvenClients())
    slots = [limit.acquire("192.0.2.1", 0, refuse_to_close) for _ in range(limit.max_per_client)]
    for slot in slots:
        assert slot is not None
        slot.has_requested = True
    assert limit.acquire("192.0.2.1", 2, refuse_to_close) is None
    assert slots[7] is not None
    slots[7].is_answered = True
    assert closed_for(limit, "192.0.2.1") is slots[7]


def test_a_flood_of_new_connections_is_refused_and_closes_only_some() -> None:
    proven = ProvenClients()
    limit = ConnectionLimit(ServerSettings(), proven)
    for _ in range(limit.max_per_client):
        limit.acquire("192.0.2.1", 0, refuse_to_close)
    closed: list[ConnectionSlot] = []
    acquired = [limit.acquire("192.0.2.1", 0, closed.append) is not None for _ in range(1000)]
    assert acquired.count(True) == len(closed) == acquired.index(False) == 16
    assert limit.acquire("192.0.2.1", 0.5, closed.append) is not None
    # Whoever has the token may have the address of a flood, behind a router for example.
    proven.add("192.0.2.1", 0.5)
    acquired = [limit.acquire("192.0.2.1", 0.5, closed.append) is not None for _ in range(1000)]
    assert acquired.count(True) == acquired.index(False) == 64


@pytest.mark.parametrize("shown", [False, True])
def test_a_flood_keeps_nobody_out_who_has_fewer_connections_or_showed_the_token_lately(shown: bool) -> None:  # noqa: FBT001
    proven = ProvenClients()
    # With the token, even where each of the others has one connection only.
    limit, _ = full_limit(*(f"198.51.100.{number}" for number in range(192 if shown else 40)), proven=proven)
    closed: list[ConnectionSlot] = []
    for number in range(10_000):
        limit.acquire(f"198.51.100.{number % 40}", 1, closed.append)
    assert limit.acquire("198.51.100.1", 1, closed.append) is None
    if shown:
        proven.add("192.0.2.1", 0)
    # However often it comes and goes, and the others take its place.
    for _ in range(100):
        slot = limit.acquire("192.0.2.1", 1, closed.append)
        assert slot is not None
        limit.release(slot)
        assert limit.acquire("198.51.100.1", 1, closed.append) is not None


def test_whoever_showed_the_token_lately_gets_in_as_often_as_it_comes_where_each_has_one_connection() -> None:
    proven = ProvenClients()
    limit, _ = full_limit(*(f"198.51.100.{number}" for number in range(200)), proven=proven)
    proven.add("192.0.2.1", 0)
    for number in range(100):
        slot = limit.acquire("192.0.2.1", 1, lambda _: None)
        assert slot is not None
        limit.release(slot)
        assert limit.acquire(f"203.0.113.{number}", 1, refuse_to_close) is not None


def test_a_trusted_proxy_may_have_all_connections() -> None:
    limit, slots = full_limit("192.0.2.1", trusted_proxies=("192.0.2.1",))
    assert closed_for(limit, "192.0.2.1") is slots[0]


@contextlib.asynccontextmanager
async def held(
    url: str, trust: ssl.SSLContext | None, sent: bytes, addresses: int, count: int
) -> AsyncIterator[list[asyncio.StreamReader]]:
    """Hold connections open, by this many addresses in turn."""
    async with contextlib.AsyncExitStack() as stack:
        readers = []
        for number in range(count):
            client = HOLDERS.format(2 + number % addresses)
            reader, writer = await stack.enter_async_context(open_connection(url, trust, client=client))
            writer.write(sent)
            readers.append(reader)
        yield readers


async def ask(served: Served, trust: ssl.SSLContext | None, client: str) -> int:
    """Ask for the state with the token, over a new connection, and return the status."""
    assert served.server.token is not None
    authorization = f"Authorization: Bearer {served.server.token.value}"
    async with open_connection(served.url, trust, client=client) as (reader, writer):
        writer.write(f"GET /api/state HTTP/1.1\r\nHost: localhost\r\n{authorization}\r\n\r\n".encode())
        return (await read_response(reader, 5))[0]


WAYS = {
    "silent": (b"", False),
    "half a request": (b"GET /api/state HTTP/1.1\r\nHost: loc", False),
    "a body that never comes": (
        b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99\r\nContent-Type: " + FORM + b"\r\n\r\n",
        False,
    ),
    "requests without a token": (HEALTH, False),
    "wrong tokens": (
        HEALTH.replace(b"healthz", b"stream").replace(b"\r\n\r\n", b"\r\nAuthorization: Bearer x\r\n\r\n"),
        False,
    ),
    "no handshake": (b"", True),
    "half a handshake": (b"\x16\x03\x01\x02\x00\x01\x00", True),
}


@pytest.mark.parametrize(("tls", "addresses"), [(False, 1), (False, 40), (True, 1), (True, 4)])
@pytest.mark.parametrize("way", WAYS)
async def test_whoever_has_the_token_gets_in_while_others_hold_all_connections(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    tls: bool,  # noqa: FBT001  (a parameter of pytest's)
    addresses: int,
) -> None:
    sent, before_tls = WAYS[way]
    if before_tls and not tls:
        return
    # Fewer than it allows: the clients of this test share a processor with the server.
    monkeypatch.setattr(connection_limit, "_SHORT_REQUESTS", 38)
    monkeypatch.setattr(connection_limit, "_SHORT_REQUESTS_PER_CLIENT", 14)
    authority = trustme.CA()
    script = Script(fps=10)
    trust = trusting(authority) if tls else None
    settings = FEW_VIEWERS | (write(authority, tmp_path) if tls else {})
    async with serving(tmp_path, [camera(script)], needs_token=True, **settings) as served:
        url, holding = (served.url.replace("https", "http"), None) if before_tls else (served.url, trust)
        async with (
            undisturbed_viewer(served, script, trust),
            held(url, holding, sent, addresses, 50 if addresses > 1 else 20) as readers,
        ):
            # With one address, it is the owner's too: all of them are behind one router.
            owner = OWNER if addresses > 1 else HOLDERS.format(2)
            assert [await ask(served, trust, owner) for _ in range(10)] == [200] * 10
            # Only as many were closed as had to be.
            await asyncio.sleep(0.1)
            assert sum(not reader.at_eof() for reader in readers) > (20 if addresses > 1 else 2)


async def test_without_a_token_viewers_are_not_closed_for_others(tmp_path: Path) -> None:
    script = Script(fps=20)
    request = b"GET /api/state HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with (
        serving(tmp_path, [camera(script)]) as served,
        undisturbed_viewer(served, script),
        held(
            served.url, None, request, 40, ConnectionLimit(ServerSettings(), ProvenClients()).max_connections - 1
        ) as readers,
    ):
        for reader in readers:
            assert (await read_response(reader))[0] == 200
        async with open_connection(served.url, client=OWNER) as (reader, writer):
            writer.write(request)
            assert (await read_response(reader))[0] == 200


async def test_a_connection_shows_with_each_request_anew_that_it_may_stay(tmp_path: Path) -> None:
    """A proxy sends the requests of many clients over one connection."""
    async with serving(tmp_path, [camera(Script())], needs_token=True, **FEW_VIEWERS) as served:
        assert served.server.token is not None
        authorized = f"\r\nAuthorization: Bearer {served.server.token.value}\r\n\r\n".encode()
        async with open_connection(served.url) as (reader, writer):
            for request, stays in ((authorized, True), (b"\r\n\r\n", False)):
                writer.write(b"GET /api/state HTTP/1.1\r\nHost: localhost" + request)
                await read_response(reader)
                async with contextlib.AsyncExitStack() as stack:
                    for _ in range(35):
                        other = await stack.enter_async_context(open_connection(served.url))
                        other[1].write(HEALTH)
                        await asyncio.sleep(0.01)
                    assert reader.at_eof() is not stays


async def test_a_server_stops_while_connections_make_room(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        async with serving(tmp_path, [camera(Script())], needs_token=True, **write(trustme.CA(), tmp_path)) as served:
            url = served.url.replace("https", "http")
            readers = await stack.enter_async_context(held(url, None, b"", 4, 300))
            await until(lambda: any(reader.at_eof() for reader in readers))
        for reader in readers:
            await seconds_until_closed(reader, 5)
    assert asyncio.all_tasks() == {asyncio.current_task()}
