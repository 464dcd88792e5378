"""Connections that mean no good: each ends in a clean refusal, and a viewer beside them notices nothing."""

import asyncio
import contextlib
import itertools
import logging
import os
import resource
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from pi_mjpeg_server.web import connection, entrance, request, stream
from pi_mjpeg_server.web.limits import Limits
from workbench.network import free_ports
from workbench.server import Server, ServerSettings

from tests.server.scripted import Script, Served, camera, serving, until
from tests.server.test_tls import trusting, write
from tests.server.wire import answer, connected, error_of, established, said

VIEWERS: dict[str, Any] = {"max_viewers": 5, "max_viewers_per_camera": 3, "max_viewers_per_address": 2}


@pytest.fixture
def script() -> Script:
    return Script(fps=20)


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script)]) as running:
        await until(lambda: script.frames > 0)
        yield running


@contextlib.asynccontextmanager
async def undisturbed(served: Served, script: Script, trust: ssl.SSLContext | None = None) -> AsyncIterator[None]:
    """Watch meanwhile; fails when the viewer missed more than a few of the frames that were made."""
    count = 0

    async def watch() -> None:
        nonlocal count
        async with connected(served.url, trust) as (reader, writer):
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            while True:
                await reader.readuntil(b"\r\n--frame\r\n")
                count += 1

    watching = asyncio.create_task(watch())
    try:
        await until(lambda: count > 2)
        frames, seen = script.frames, count
        yield
        await asyncio.sleep(1)
        made, came = script.frames - frames, count - seen
        assert not watching.done()
        assert came >= 0.98 * made - 2, f"{came} of {made} frames came"
    finally:
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await watching


async def closed_within(reader: asyncio.StreamReader, seconds: float) -> float:
    """Wait for the server to hang up; return how long it took."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            await reader.read()
    return time.monotonic() - began


def deafen(writer: asyncio.StreamWriter) -> None:
    """Take nothing more of what comes."""
    assert isinstance(writer.transport, asyncio.Transport)
    writer.transport.pause_reading()


async def _nothing(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def _half_a_head(writer: asyncio.StreamWriter) -> None:
    writer.write(b"GET /stream HTTP/1.1\r\nHost: local")
    await asyncio.sleep(3600)


async def _dripped(writer: asyncio.StreamWriter) -> None:
    for byte in itertools.cycle(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 3000):
        writer.write(bytes([byte]))
        await asyncio.sleep(0.05)


@pytest.mark.parametrize("talk", [_nothing, _half_a_head, _dripped])
async def test_who_does_not_finish_a_request_is_hung_up_on(
    served: Served,
    script: Script,
    monkeypatch: pytest.MonkeyPatch,
    talk: Callable[[asyncio.StreamWriter], Awaitable[None]],
) -> None:
    monkeypatch.setattr(connection, "IDLE", 1.0)
    async with undisturbed(served, script), connected(served.url) as (reader, writer):
        talking = asyncio.ensure_future(talk(writer))
        try:
            assert 0.8 < await closed_within(reader, 10) < 5
        finally:
            talking.cancel()


async def test_an_answered_connection_is_not_kept_for_long(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "IDLE", 1.0)
    async with connected(served.url) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert (await answer(reader))[0] == 200
        assert await closed_within(reader, 10) < 5


async def test_a_body_that_does_not_come_is_a_time_out(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "BODY_WITHIN", 0.5)
    head = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
    status, _, body = await said(served.url, head + b"Content-Length: 100\r\n\r\ntoken=")
    assert status == 408
    assert error_of(body)["code"] == "timeout"


FORM = b"POST /login HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\n"
HUGE = b"x" * 200_000


HOSTILE = [
    (b"GET /" + HUGE + b" HTTP/1.1\r\n\r\n", 400),
    (b"GET /healthz?" + b"y" * 9000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nX: " + HUGE + b"\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nCookie: " + b"a=b; " * 5000 + b"\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 5000 + b"\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400),
    (b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n", 400),
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
    (FORM + b"Transfer-Encoding: chunked\r\n\r\n30d40\r\n" + HUGE + b"\r\n0\r\n\r\n", 413),
    (FORM + b"Content-Encoding: gzip\r\nContent-Length: 4\r\n\r\nxxxx", 415),
    (FORM.replace(b"x-www-form-urlencoded", b"json") + b"Content-Length: 2\r\n\r\n{}", 415),
]


async def test_what_is_too_large_or_no_http_is_refused_in_json_and_in_no_log(
    served: Served, script: Script, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        async with undisturbed(served, script):
            caplog.clear()
            for data, expected in HOSTILE:
                status, headers, body = await said(served.url, data)
                assert status == expected, data[:80]
                assert headers["content-type"].startswith("application/json")
                error_of(body)
    assert "Traceback" not in caplog.text
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


async def test_a_body_that_goes_wrong_on_its_way_is_refused(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(request, "BODY_WITHIN", 0.5)
    async with connected(served.url) as (reader, writer):
        writer.write(FORM + b"Transfer-Encoding: chunked\r\n\r\n5\r\ntoken\r\n")
        await asyncio.sleep(0.1)
        writer.write(b"not a size\r\n")
        status, _, body = await answer(reader)
    # aiohttp's parser in C drops what cannot be read, so the body never ends; the one in Python says so at once.
    assert status in {400, 408}
    error_of(body)


async def test_a_client_that_waits_with_its_body_is_told_to_go_on(served: Served) -> None:
    async with connected(served.url) as (reader, writer):
        writer.write(FORM + b"Expect: 100-continue\r\nContent-Length: 7\r\n\r\n")
        assert (await answer(reader))[0] == 100
        writer.write(b"token=x")
        # Without auth every token is right.
        assert (await answer(reader))[0] == 303


async def test_a_thousand_pipelined_requests_are_answered_in_order(served: Served, script: Script) -> None:
    async with undisturbed(served, script), connected(served.url) as (reader, writer):
        writer.write(
            b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /no HTTP/1.1\r\nHost: localhost\r\n\r\n" * 500
        )
        for _ in range(500):
            assert (await answer(reader))[0] == 200
            assert (await answer(reader))[0] == 404


async def test_requests_behind_a_stream_take_no_memory(served: Served) -> None:
    async with connected(served.url) as (reader, writer):
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await reader.readuntil(b"--frame\r\n")
        sent = 0
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                while sent < 100_000_000:
                    writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n" * 1000)
                    sent += 44_000
                    await writer.drain()
        # The server stopped reading: what was taken lies in the buffers of the kernel.
        assert sent < 50_000_000
        writer.transport.abort()
    await until(lambda: not served.station.viewers)


async def test_a_thousand_connections_at_once_are_refused_in_words_and_disturb_nobody(
    served: Served, script: Script
) -> None:
    async with undisturbed(served, script), contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(connected(served.url)) for _ in range(1000)]
        room = Limits().connections_per_address - 1
        refused = opened[room:]
        answers = [await answer(reader) for reader, _ in refused]
        assert {status for status, _, _ in answers} == {503}
        assert answers[0][1]["retry-after"] == "5"
        assert error_of(answers[0][2])["code"] == "too_many_connections"
        for reader, writer in opened[:3]:
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert (await answer(reader))[0] == 200
    # Who leaves makes room.
    await until(lambda: not served.station.viewers)
    assert (await said(served.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 200


async def test_who_is_refused_hears_why_though_it_spoke_first(served: Served) -> None:
    room, parts = Limits().connections_per_address, urlsplit(served.url)
    async with contextlib.AsyncExitStack() as stack:
        for _ in range(room):
            await stack.enter_async_context(connected(served.url))
        with socket.create_connection((parts.hostname, parts.port)) as hasty:
            hasty.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reader, writer = await asyncio.open_connection(sock=hasty.dup())
            assert (await answer(reader))[0] == 503
            # An end, and not a reset, which may overtake the answer on its way.
            assert await reader.read() == b""
            writer.close()


@pytest.mark.parametrize("opening", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["silent", "half a hello"])
async def test_a_thousand_handshakes_that_never_end_take_no_more_room_than_one_address_has(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch, opening: bytes
) -> None:
    monkeypatch.setattr(entrance, "HANDSHAKE_WITHIN", 2.0)
    authority = trustme.CA()
    trust = trusting(authority)
    async with (
        contextlib.AsyncExitStack() as late,
        serving(tmp_path, [camera(script)], **write(authority, tmp_path)) as served,
    ):
        plain = served.url.replace("https", "http")
        async with undisturbed(served, script, trust), contextlib.AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(connected(plain)) for _ in range(1000)]
            for _, writer in opened:
                writer.write(opening)
            room = Limits().connections_per_address - 1
            hung_up = [await closed_within(reader, 1) < 1 for reader, _ in opened[room:]]
            assert all(hung_up)
            assert not any(reader.at_eof() for reader, _ in opened[:room])
            # Somebody of another address is let in meanwhile.
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as other,
                other.get(f"{served.url}/healthz", ssl=trust) as response,
            ):
                assert response.status == 200
            ends = [await closed_within(reader, 5) for reader, _ in opened[:room]]
            assert max(ends) < 4
        # Who was given up makes room.
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(room):
                reader, writer = await stack.enter_async_context(connected(served.url, trust))
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await answer(reader))[0] == 200
        # A server that stops waits for nobody's handshake.
        await late.enter_async_context(connected(plain))
        await asyncio.sleep(0.1)
        began = time.monotonic()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert time.monotonic() - began < 1


async def test_without_descriptors_who_watches_goes_on_and_the_next_comes_in_later(tmp_path: Path) -> None:
    (port,) = free_ports(0)
    server = Server(
        Path(sys.prefix), tmp_path, ServerSettings(port=port, flags=("--no-auth", "--fps", "10", "--zeroconf", "false"))
    )
    await server.start_and_wait()
    try:
        async with connected(server.url) as (watched, writer), contextlib.AsyncExitStack() as stack:
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(3):
                await watched.readuntil(b"\r\n--frame\r\n")
            open_files = len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208  (no disk)
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_files + 5, hard))
            waiting = [await stack.enter_async_context(connected(server.url)) for _ in range(20)]
            for _ in range(30):
                await watched.readuntil(b"\r\n--frame\r\n")
            assert server.log.read_text().count("no connection can be taken in: Too many open files") == 1
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
            for reader, asking in waiting:
                asking.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await answer(reader))[0] == 200
    finally:
        server.stop()


async def test_as_many_files_may_be_open_as_viewers_are_promised(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (512, hard))
    try:
        async with serving(tmp_path, [camera(Script())], max_viewers=1000):
            assert resource.getrlimit(resource.RLIMIT_NOFILE)[0] >= 1128
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "open files" not in caplog.text


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
async def test_who_takes_nothing_of_an_answer_is_hung_up_on(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    tls: bool,  # noqa: FBT001  (a parameter of pytest's)
) -> None:
    monkeypatch.setattr(entrance, "UNREAD_WITHIN", 1.0)
    authority = trustme.CA()
    settings: dict[str, Any] = write(authority, tmp_path) if tls else {}
    script = Script(fps=20, padding=1_000_000)
    async with serving(tmp_path, [camera(script, linger=5)], **settings) as served:
        for path in ("/snapshot.jpg?max_age=60000", "/stream"):
            async with connected(served.url, trusting(authority) if tls else None) as (_, writer):
                # As a phone in a pocket: it is there, acknowledges, and takes nothing.
                deafen(writer)
                for _ in range(40):
                    writer.write(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
                await until(lambda: established(served.url) == 1)
                assert await until(lambda: established(served.url) == 0, 10) > 0.5
            await until(lambda: not served.station.viewers)


async def test_a_viewer_that_takes_no_frame_for_long_is_dropped(
    served: Served, script: Script, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(stream, "DRAIN_WITHIN", 1.0)
    caplog.set_level(logging.INFO)
    script.padding = 1_000_000
    async with connected(served.url) as (_, writer):
        deafen(writer)
        writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: served.station.viewers == 1)
        await until(lambda: served.station.viewers == 0)
        assert "took no frame for 1 s" in caplog.text
        await until(lambda: established(served.url) == 0, 1)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@contextlib.asynccontextmanager
async def viewers(url: str, path: str, host: str, count: int) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    connector = aiohttp.TCPConnector(local_addr=(host, 0), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield [await session.get(url + path) for _ in range(count)]


async def test_viewers_are_limited_in_all_and_by_camera_and_by_address(tmp_path: Path) -> None:
    cameras = [camera(Script(fps=5), name) for name in ("front", "back")]
    async with serving(tmp_path, cameras, **VIEWERS) as served, contextlib.AsyncExitStack() as stack:

        async def statuses(path: str, host: str, count: int) -> list[int]:
            seen = await stack.enter_async_context(viewers(served.url, path, host, count))
            return [response.status for response in seen]

        assert await statuses("/cameras/front/stream", "127.0.0.2", 3) == [200, 200, 503]
        assert await statuses("/cameras/front/stream", "127.0.0.3", 2) == [200, 503]
        assert await statuses("/cameras/back/stream", "127.0.0.3", 2) == [200, 503]
        assert await statuses("/cameras/back/stream", "127.0.0.4", 2) == [200, 503]
        refused = (await stack.enter_async_context(viewers(served.url, "/stream", "127.0.0.5", 1)))[0]
        assert refused.headers["Retry-After"] == "5"
        error = (await refused.json())["error"]
        assert error["code"] == "too_many_viewers"
        assert "max_viewers in [server]" in error["message"]
        assert served.station.viewers == 5
    async with serving(tmp_path, [camera(Script())], **VIEWERS) as served:
        async with viewers(served.url, "/stream", "127.0.0.2", 2):
            pass
        await until(lambda: served.station.viewers == 0)
        async with viewers(served.url, "/stream", "127.0.0.2", 2) as again:
            assert [response.status for response in again] == [200, 200]


async def test_no_answer_tells_versions(served: Served) -> None:
    _, headers, _ = await said(served.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert headers["server"] == "pi-mjpeg"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
