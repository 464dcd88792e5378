"""Hostile connections: each gets a clean error or is closed, and a concurrent viewer loses no frames."""

import asyncio
import contextlib
import gc
import itertools
import logging
import socket
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme
from aiohttp import web_protocol
from pi_mjpeg_server.web.routes import frame_writer, metrics, request_body
from pi_mjpeg_server.web.transport import acceptor, aiohttp_internals, connection

from tests.server.support.concurrent_viewer import undisturbed_viewer
from tests.server.support.raw_http import (
    count_established,
    open_connection,
    parse_error,
    read_response,
    seconds_until_closed,
    send_raw,
)
from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.web.transport.test_tls import trusting, write


def stop_reading(writer: asyncio.StreamWriter) -> None:
    """Leave everything that the server sends unread."""
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()


async def _silence(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _half_a_request_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /stream HTTP/1.1\r\nHost: local")
    await asyncio.sleep(3600)


async def _one_byte_at_a_time(writer: asyncio.StreamWriter) -> None:
    for byte in itertools.cycle(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 3000):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("send", [_silence, _half_a_request_head, _one_byte_at_a_time])
async def test_a_connection_without_a_complete_request_is_closed(
    served: Served,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    send: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    monkeypatch.setattr(connection, "IDLE_TIMEOUT", 1.0)
    async with undisturbed_viewer(served, script), open_connection(served.url) as (reader, writer):
        sending = asyncio.ensure_future(send(writer))
        try:
            assert 0.8 < await seconds_until_closed(reader, 10) < 5
        finally:
            sending.cancel()


async def test_an_idle_connection_is_closed_soon_after_its_response(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "IDLE_TIMEOUT", 1.0)
    async with open_connection(served.url) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await read_response(reader))[0] == 200
        assert await seconds_until_closed(reader, 10) < 5


async def test_a_body_that_does_not_arrive_is_a_timeout(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request_body, "BODY_TIMEOUT", 0.5)
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    status, _, body = await send_raw(served.url, head + b"Content-Length: 100\r\n\r\ntoken=")
    assert status == 408
    assert parse_error(body)["code"] == "timeout"


FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HUGE = b"x" * 200_000


HOSTILE = [
    (b"GET /" + HUGE + b" HTTP/1.1\r\n\r\n", 414),
    (b"GET /healthz?" + b"y" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nX: " + HUGE + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\nCookie: " + b"a=b; " * 5000 + b"\r\n\r\n", 431),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"y" * 15_000 + b"\r\n") * 3 + b"\r\n", 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + (b"X: " + b"y" * 5000 + b"\r\n") * 60, 431),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
    (b"GET http://xn--/ HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/3.7\r\nHost: localhost\r\n\r\n", 400),
    (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 200 + b"\r\n\r\n", 400),
    (b"GET /nothing HTTP/1.1\r\nHost: localhost\r\nExpect: \xfe\r\n\r\n", 400),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: \xfe\r\n\r\n", 417),
    (b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nExpect: a miracle\r\n\r\n", 417),
    (b"POST /login HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400),
    (b"POST /login HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400),
    (b"POST /login HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    (FORM + b"Content-Length: 200000\r\n\r\n" + HUGE, 413),
    (FORM + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n", 400),
    (FORM + b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n" + HUGE + b"\r\n0\r\n\r\n", 411),
    (FORM + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 100, 411),
    (FORM + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx", 415),
    (FORM.replace(b"x-www-form-urlencoded", b"json") + b"Content-Length: 2\r\n\r\n{}", 415),
    (FORM.replace(b"application", b"(" * 4000) + b"Content-Length: 0\r\n\r\n", 415),
    (FORM.replace(b"application", b"(" * 5000) + b"Content-Length: 0\r\n\r\n", 431),
]


async def test_what_is_too_large_or_not_http_gets_a_json_error_and_no_log_entry(
    served: Served, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with undisturbed_viewer(served, script):
            caplog.clear()
            for data, expected in HOSTILE:
                status, headers, body = await send_raw(served.url, data)
                assert status == expected, data[:80]
                assert headers["content-type"].startswith("application/json")
                parse_error(body)
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_body_that_no_handler_wants_is_not_read(served: Served) -> None:
    async with open_connection(served.url) as (reader, writer):
        writer.write(b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n")
        assert (await read_response(reader))[0] == 405
        assert await seconds_until_closed(reader, 5) < 1


UNWANTED = [
    (b"\0" * 400_000, 1_000_000),
    (
        b"POST /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 40_000,
        4_000_000,
    ),
]


@pytest.mark.parametrize(("data", "max_bytes"), UNWANTED, ids=["not HTTP", "tiny chunks"])
async def test_the_memory_of_a_rejected_request_is_freed_at_once(served: Served, data: bytes, max_bytes: int) -> None:
    parts = urlsplit(served.url)

    def send_and_close() -> None:
        with socket.create_connection((parts.hostname, parts.port)) as sock, contextlib.suppress(OSError):
            sock.sendall(data)

    await asyncio.to_thread(send_and_close)
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(200):
            await asyncio.to_thread(send_and_close)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < max_bytes


async def test_a_client_that_waits_before_its_body_gets_100_continue(served: Served) -> None:
    async with open_connection(served.url) as (reader, writer):
        writer.write(FORM + b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n")
        assert (await read_response(reader))[0] == 100
        writer.write(b"token=x")
        # Without a token on the server every token is right.
        assert (await read_response(reader))[0] == 303


async def test_a_thousand_pipelined_requests_are_answered_in_order(served: Served, script: Script) -> None:
    async with undisturbed_viewer(served, script), open_connection(served.url) as (reader, writer):
        writer.write(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /no HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
        )
        for _ in range(500):
            assert (await read_response(reader))[0] == 200
            assert (await read_response(reader))[0] == 404


EXPENSIVE_REQUESTS = [
    b"GET " + b"/" * 1900 + b"NUMBER" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /" + b"/.." * 600 + b"NUMBER" + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
    FORM.replace(b"encoded", b"encoded;NUMBER" + b'"' * 4000) + b"Content-Length: 7\r\n\r\ntoken=x",
]


@pytest.mark.parametrize("request_", EXPENSIVE_REQUESTS, ids=["slashes", "dots", "quotes"])
async def test_the_most_expensive_requests_delay_no_frame(served: Served, script: Script, request_: bytes) -> None:
    numbers = itertools.count()

    async def ask() -> None:
        async with open_connection(served.url) as (reader, writer):
            for _ in range(6):
                # No two are the same: aiohttp caches what it parses.
                writer.write(request_.replace(b"NUMBER", b"%d" % next(numbers)))
                await read_response(reader)

    async with undisturbed_viewer(served, script):
        await asyncio.gather(*(ask() for _ in range(50)))


async def test_one_request_begins_per_iteration_of_the_loop(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_connection(served.url) as (reader, writer):
        # The first one imports what metrics need.
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await read_response(reader)
    loop = asyncio.get_running_loop()
    iteration, begun = 0, []

    def count() -> None:
        nonlocal iteration
        iteration += 1
        loop.call_soon(count)

    def record(_: object) -> bytes:
        begun.append(iteration)
        return b""

    monkeypatch.setattr(metrics, "generate_latest", record)
    parts = urlsplit(served.url)
    with contextlib.ExitStack() as stack:
        socks = [stack.enter_context(socket.create_connection((parts.hostname, parts.port))) for _ in range(40)]
        await until(lambda: count_established(served.url) == 40)
        await asyncio.sleep(0.1)
        loop.call_soon(count)
        # All in one iteration: the loop runs in this thread.
        for sock in socks:
            sock.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: len(begun) == 40)
    assert len(set(begun)) == 40


async def test_requests_pipelined_behind_an_unread_response_hold_little_memory(served: Served) -> None:
    head = b"".join(b"X%02d: " % number + b"y" * 4000 + b"\r\n" for number in range(60))
    large = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n"
    pipelined = b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n" + large * 60
    parts = urlsplit(served.url)
    with socket.create_connection((parts.hostname, parts.port)) as sock:
        sock.settimeout(2)
        tracemalloc.start()
        try:
            with contextlib.suppress(TimeoutError):
                await asyncio.to_thread(sock.sendall, pipelined)
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert held < 3_000_000


async def test_requests_pipelined_behind_a_stream_take_no_memory(served: Served) -> None:
    async with open_connection(served.url) as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"--frame\r\n")
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while sent < 100_000_000:
                    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
                    sent += 44_000
                    await writer.drain()
        # The server stopped reading: what was sent is in the buffers of the kernel.
        assert sent < 50_000_000
        writer.transport.abort()
    await until(lambda: not served.server.viewers)


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_a_client_that_does_not_read_its_response_is_disconnected(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,  # noqa: FBT001  (a parameter of pytest's)
) -> None:
    monkeypatch.setattr(acceptor, "UNREAD_TIMEOUT", 1.0)
    authority = trustme.CA()
    settings: dict[str, Any] = write(authority, tmp_path) if tls else {}
    script = Script(fps=20, padding=1_000_000)
    async with serving(tmp_path, [camera(script, linger=5)], **settings) as served:
        for path in ("/snapshot.jpg?max_age=60000", "/stream"):
            async with open_connection(served.url, trusting(authority) if tls else None) as (_, writer):
                # Like a phone in a pocket, whose kernel acknowledges although the app reads nothing.
                stop_reading(writer)
                for _ in range(40):
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await until(lambda: count_established(served.url) == 1)
                assert await until(lambda: count_established(served.url) == 0, 10) > 0.5
            await until(lambda: not served.server.viewers)


async def test_a_viewer_that_takes_no_frame_for_long_is_disconnected(
    served: Served, script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(frame_writer, "DRAIN_TIMEOUT", 1.0)
    caplog.set_level(logging.INFO)
    script.padding = 1_000_000
    async with open_connection(served.url) as (_, writer):
        stop_reading(writer)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: served.server.viewers == 1)
        await until(lambda: served.server.viewers == 0)
        assert "took no frame for 1 s" in caplog.text
        await until(lambda: count_established(served.url) == 0, 1)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_no_response_reveals_versions(served: Served) -> None:
    _, headers, _ = await send_raw(served.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert headers["server"] == "pi-mjpeg"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_an_aiohttp_that_renamed_an_internal_name_is_refused_with_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    aiohttp_internals.require_private_names()
    monkeypatch.delattr(web_protocol, "MAX_MSG_QUEUE_SIZE")
    with pytest.raises(
        ImportError, match=r"has no aiohttp\.web_protocol\.MAX_MSG_QUEUE_SIZE, which pi-mjpeg depends on"
    ):
        aiohttp_internals.require_private_names()
