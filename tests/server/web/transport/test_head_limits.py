"""Request heads as large as those of browsers that send the cookies of other services of the same host name."""

import asyncio
import contextlib
import socket
import tracemalloc
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.server.support.raw_http import open_connection, parse_error, read_response, send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving

HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n"


@pytest.mark.parametrize(
    "fields",
    [
        b"Cookie: " + b"a" * 16_000 + b"\r\n",
        b"Cookie: " + b"a=b; " * 3200 + b"\r\nAuthorization: Negotiate " + b"x" * 12_000 + b"\r\n",
        b"X-Forwarded-Access-Token: " + b"x" * 8000 + b"\r\n",
        b"".join(b"X-%d: y\r\n" % number for number in range(63)),
    ],
    ids=["one cookie", "cookies and Kerberos", "a token of an SSO proxy", "64 fields"],
)
@pytest.mark.parametrize("step", [200_000, 1000])
async def test_a_head_of_a_browser_with_many_cookies_is_accepted(served: Served, fields: bytes, step: int) -> None:
    async with open_connection(served.url) as (reader, writer):
        for _ in range(2):
            head = HEAD + fields + b"\r\n"
            for start in range(0, len(head), step):
                writer.write(head[start : start + step])
                await writer.drain()
                await asyncio.sleep(0)
            assert (await read_response(reader))[0] == 200


@pytest.mark.parametrize(
    "fields",
    [
        b"Cookie: " + b"a" * 17_000 + b"\r\n",
        b"".join(b"X-%d: %s\r\n" % (number, b"y" * 1000) for number in range(40)),
        b"".join(b"X-%d: y\r\n" % number for number in range(65)),
    ],
    ids=["one field", "all fields", "number of fields"],
)
@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/api/state"])
@pytest.mark.parametrize("step", [200_000, 1000])
async def test_a_larger_head_gets_431_that_names_the_limits_and_cookies(
    served: Served, fields: bytes, path: str, step: int
) -> None:
    head = HEAD.replace(b"/healthz", path.encode()) + fields + b"\r\n"
    async with open_connection(served.url) as (reader, writer):
        for start in range(0, len(head), step):
            writer.write(head[start : start + step])
            await asyncio.sleep(0)
        status, _, body = await read_response(reader)
    assert status == 431
    error = parse_error(body)
    assert error["code"] == "headers_too_large"
    assert all(word in error["message"] for word in ("64 fields", "32 kB in all", "16 kB", "cookies"))


async def test_a_long_request_line_gets_414(served: Served) -> None:
    status, _, body = await send_raw(served.url, b"GET /" + b"x" * 2100 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert (status, parse_error(body)["code"]) == (414, "uri_too_long")


async def test_a_body_does_not_count_as_a_head(served: Served) -> None:
    form = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    async with open_connection(served.url) as (reader, writer):
        for _ in range(4):
            writer.write(form + b"Content-Length: 16000\r\n\r\n")
            for part in (b"token=", *[b"x" * 1000] * 15, b"x" * 994):
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0)
            assert (await read_response(reader))[0] == 303


async def test_the_largest_heads_on_many_connections_take_little_memory(tmp_path: Path) -> None:
    """Each of 56 connections sends the largest head that is not complete: 64 fields of 16 kB would take 58 MB."""
    head = HEAD + b"".join(b"X-%d: " % number + b"y" * 16_000 + b"\r\n" for number in range(63))
    async with serving(tmp_path, [camera(Script())]) as served:
        parts = urlsplit(served.url)
        with contextlib.ExitStack() as stack:
            tracemalloc.start()
            try:
                for _ in range(56):
                    sock = stack.enter_context(socket.create_connection((parts.hostname, parts.port)))
                    sock.settimeout(0.2)
                    with contextlib.suppress(OSError):
                        await asyncio.to_thread(sock.sendall, head)
                held, _ = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
    assert held < 6_000_000
