"""The proof of identity, over real sockets: it holds at the address that was asked, and nowhere else."""

import asyncio
import hashlib
import hmac
import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from pi_mjpeg_server.web.security import client_rate_limit, token_throttle
from pi_mjpeg_server.web.security.client_rate_limit import ClientRateLimit, RateLimitPerClient
from pi_mjpeg_server.web.security.proven_clients import ProvenClients

from tests.server.support.raw_http import open_connection, parse_error, read_response, send_raw
from tests.server.support.scripted_camera import NODE, Script, Served, camera, serving
from tests.server.support.tcp_proxy import TcpProxy
from tests.server.web.transport.test_tls import trusting, write

NONCE = "00112233445566778899aabbccddeeff"


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script())], needs_token=True) as running:
        yield running


def token(served: Served) -> str:
    assert served.server.token is not None
    return served.server.token.value


def bearer(served: Served) -> str:
    return f"Authorization: Bearer {token(served)}"


async def enrol(served: Served, *headers: str, trust: ssl.SSLContext | None = None) -> tuple[int, dict[str, Any]]:
    lines = ["POST /api/identity HTTP/1.1", "Host: localhost", "Content-Length: 0", *headers, "", ""]
    async with open_connection(served.url, trust) as (reader, writer):
        writer.write("\r\n".join(lines).encode())
        status, answered, body = await read_response(reader)
    if status == 201:
        assert answered["cache-control"] == "no-store"
    return status, json.loads(body)


async def is_proven(url: str, secret: bytes, query: str, *headers: str, trust: ssl.SSLContext | None = None) -> bool:
    """Ask for a proof and compare it with that of the address to which this socket is connected, as a client does."""
    lines = [f"GET /api/identity?nonce={NONCE}{query} HTTP/1.1", *headers, "", ""]
    if not any(each.startswith("Host") for each in headers):
        lines.insert(1, "Host: localhost")
    async with open_connection(url, trust) as (reader, writer):
        host, port = writer.get_extra_info("peername")[:2]
        writer.write("\r\n".join(lines).encode())
        status, answered, body = await read_response(reader)
    assert (status, answered["cache-control"]) == (200, "no-store")
    document = json.loads(body)
    assert set(document) == {"id", "proof", "instance"}
    assert document["id"] == NODE
    address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    message = f"pi_mjpeg identity 1\n{NONCE}\n{NODE}\n{address}".encode()
    return hmac.compare_digest(hmac.new(secret, message, hashlib.sha256).hexdigest(), document["proof"])


def token_secret(served: Served) -> bytes:
    return hmac.new(token(served).encode(), b"pi_mjpeg identity", hashlib.sha256).digest()


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_it_is_proven_over_ipv4_ipv6_and_tls_and_not_through_a_relay(
    tmp_path: Path,
    tls: bool,  # noqa: FBT001  (a parameter of pytest's)
) -> None:
    authority = trustme.CA()
    settings: dict[str, Any] = write(authority, tmp_path) if tls else {}
    trust = trusting(authority) if tls else None
    # Without a host, the server listens on one socket that writes IPv4 addresses as ::ffff:127.0.0.1.
    for host in ("127.0.0.1", "::1", None):
        async with serving(tmp_path, [camera(Script())], needs_token=True, host=host, **settings) as served:
            status, enrolment = await enrol_at(served, host, bearer(served), trust=trust)
            assert status == 201
            secret, query = bytes.fromhex(enrolment["secret"]), f"&key={enrolment['key']}"
            for url in urls(served, host):
                assert await is_proven(url, secret, query, trust=trust)
                assert await is_proven(url, token_secret(served), "", trust=trust)
                assert not await is_proven(url, bytes(32), query, trust=trust)
                assert not await is_proven(url, secret, "", trust=trust)
            if host != "::1":
                with TcpProxy(urlsplit(served.url).port or 0) as relay:
                    there = f"{urlsplit(served.url).scheme}://127.0.0.1:{relay.port}"
                    assert not await is_proven(there, secret, query, trust=trust)
                    assert not await is_proven(there, token_secret(served), "", trust=trust)


def urls(served: Served, host: str | None) -> list[str]:
    parts = urlsplit(served.url)
    hosts = ["127.0.0.1", "[::1]"] if host is None else [f"[{host}]" if ":" in host else host]
    return [f"{parts.scheme}://{each}:{parts.port}" for each in hosts]


async def enrol_at(
    served: Served, host: str | None, *headers: str, trust: ssl.SSLContext | None
) -> tuple[int, dict[str, Any]]:
    return await enrol(Served(urls(served, host)[0], served.server), *headers, trust=trust)


async def test_no_header_changes_the_address_that_is_proven(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], needs_token=True, trusted_proxies=("127.0.0.1",)) as served:
        for headers in (
            ("Host: 10.9.9.9:1234",),
            ("X-Forwarded-Host: 10.9.9.9:1234", "X-Forwarded-For: 10.9.9.9", "X-Forwarded-Proto: https"),
        ):
            assert await is_proven(served.url, token_secret(served), "", *headers)


async def test_each_enrolment_has_a_secret_of_its_own_that_stays(served: Served) -> None:
    (_, first), (_, second) = await enrol(served, bearer(served)), await enrol(served, bearer(served))
    assert first["key"] != second["key"]
    assert first["secret"] != second["secret"]
    assert not await is_proven(served.url, bytes.fromhex(first["secret"]), f"&key={second['key']}")
    assert served.server.token is not None
    served.server.token.rotate()
    assert await is_proven(served.url, bytes.fromhex(first["secret"]), f"&key={first['key']}")
    assert await is_proven(served.url, token_secret(served), "")


async def test_only_whoever_has_the_token_enrols_and_no_page_of_another_origin(served: Served) -> None:
    assert (await enrol(served))[0] == 401
    session = served.server.token.key("pi_mjpeg session").hex() if served.server.token else ""
    assert (await enrol(served, f"Cookie: pi_mjpeg_session={session}", "Origin: http://evil.example"))[0] == 403
    assert (await enrol(served, bearer(served)))[0] == 201


async def test_a_server_without_a_token_enrols_everybody_and_proves_nothing_without_a_key(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        status, enrolment = await enrol(served)
        assert status == 201
        assert await is_proven(served.url, bytes.fromhex(enrolment["secret"]), f"&key={enrolment['key']}")
        assert (await enrol(served, "Origin: http://evil.example"))[0] == 403
        status, _, body = await ask(served, f"nonce={NONCE}")
        assert (status, parse_error(body)["code"]) == (404, "no_identity")


async def ask(served: Served, query: str) -> tuple[int, dict[str, str], bytes]:
    return await send_raw(served.url, f"GET /api/identity?{query} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


@pytest.mark.parametrize(
    "query",
    [
        "",
        "nonce=",
        f"nonce={NONCE[:-1]}",
        f"nonce={NONCE * 4}0",
        f"nonce={NONCE[:-1]}g",
        f"nonce={NONCE}%0A",
        f"nonce=%0A{NONCE}",
        f"nonce={NONCE}&nonce={NONCE}",
        f"nonce={NONCE}&key=",
        f"nonce={NONCE}&key=0123456789abcde",
        f"nonce={NONCE}&key=0123456789abcdef0",
        f"nonce={NONCE}&key=0123456789abcdef&key=0123456789abcdef",
        f"nonce={NONCE}&key=0123456789abcdeg",
        "nonce=" + "%D9%A1" * 32,
    ],
)
async def test_a_bad_nonce_or_key_is_refused(served: Served, query: str) -> None:
    status, _, body = await ask(served, query)
    assert (status, parse_error(body)["code"]) == (400, "bad_request")


async def test_requests_for_proofs_are_limited_and_keep_nobody_from_anything_else(served: Served) -> None:
    async with aiohttp.ClientSession() as client:
        seen = [(await ask(served, f"nonce={NONCE}"))[0] for _ in range(15)]
        assert seen[: client_rate_limit.CLIENT_BURST] == [200] * client_rate_limit.CLIENT_BURST
        assert seen[-1] == 429
        status, headers, body = await ask(served, f"nonce={NONCE}")
        assert (status, headers["retry-after"]) == (429, "1")
        assert parse_error(body)["code"] == "too_many_requests"
        # It is no guess of the token, and a guess is no request for a proof.
        for _ in range(token_throttle.FREE_ATTEMPTS):
            async with client.get(f"{served.url}/api/state", headers={"Authorization": "Bearer wrong"}) as response:
                assert response.status == 401
        async with open_connection(served.url, client="127.0.0.9") as (reader, writer):
            writer.write(f"GET /api/identity?nonce={NONCE} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            assert (await read_response(reader))[0] == 200
        assert (await enrol(served, bearer(served)))[0] == 201
    await asyncio.sleep(1.1)
    assert (await ask(served, f"nonce={NONCE}"))[0] == 200


def test_all_clients_together_are_limited_but_for_those_that_showed_the_token() -> None:
    proven = ProvenClients()
    proven.add("192.0.2.1", 0)
    limit = ClientRateLimit(proven)
    seen = [limit.take(f"10.0.{number // 250}.{number % 250}", 0) for number in range(200)]
    assert seen.count(0) == client_rate_limit.TOTAL_BURST
    assert limit.take("192.0.2.2", 0) > 0
    # Others cannot use up its share, and it has the limit of a single client all the same.
    assert [limit.take("192.0.2.1", 0) for _ in range(11)] == [0] * 10 + [1]
    assert limit.take("192.0.2.3", 1) == 0
    assert limit.take("192.0.2.1", 1) == 0


def test_the_limit_remembers_a_bounded_number_of_clients() -> None:
    limit = RateLimitPerClient(1, 1)
    for number in range(5000):
        limit.take(f"10.0.{number // 250}.{number % 250}", number)
    assert len(limit._limits) == 1024  # noqa: SLF001  (memory has no other witness)
