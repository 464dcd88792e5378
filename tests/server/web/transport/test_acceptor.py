"""Too many connections at once: those beyond the limit get an error, and a concurrent viewer loses no frames."""

import asyncio
import contextlib
import os
import resource
import socket
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import pytest
import trustme
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.security.proven_clients import ProvenClients
from pi_mjpeg_server.web.transport import acceptor
from pi_mjpeg_server.web.transport.connection_limit import ConnectionLimit
from tooling.network import free_ports
from tooling.server import Server
from tooling.server import ServerSettings as ProgramSettings

from tests.server.support.concurrent_viewer import undisturbed_viewer
from tests.server.support.raw_http import open_connection, parse_error, read_response, seconds_until_closed, send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.web.transport.test_tls import trusting, write

FEW_VIEWERS: dict[str, Any] = {"max_viewers": 5, "max_viewers_per_camera": 3, "max_viewers_per_address": 2}
MAX_PER_CLIENT = ConnectionLimit(ServerSettings(), ProvenClients()).max_per_client


async def test_of_a_thousand_connections_at_once_most_get_an_error_and_none_disturbs_a_viewer(
    served: Served, script: Script
) -> None:
    async with undisturbed_viewer(served, script), contextlib.AsyncExitStack() as stack:
        opened = [await stack.enter_async_context(open_connection(served.url)) for _ in range(1000)]
        asked = [asyncio.create_task(read_response(reader)) for reader, _ in opened]
        await until(lambda: sum(task.done() for task in asked) >= 1000 - (MAX_PER_CLIENT - 1))
        answers = [await task for task in asked if task.done()]
        assert len(answers) == 1000 - (MAX_PER_CLIENT - 1)
        assert {status for status, _, _ in answers} == {503}
        assert answers[0][1]["retry-after"] == "5"
        assert parse_error(answers[0][2])["code"] == "too_many_connections"
        for (_, writer), task in zip(opened, asked, strict=True):
            if not task.done():
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await task)[0] == 200
    # Closed connections release their slots.
    await until(lambda: not served.server.viewers)
    assert (await send_raw(served.url, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"))[0] == 200


async def test_where_all_others_showed_the_token_a_client_is_refused_with_a_reason_even_if_it_sent_its_request_first(
    tmp_path: Path, script: Script
) -> None:
    async with serving(tmp_path, [camera(script)], needs_token=True) as served, contextlib.AsyncExitStack() as stack:
        assert served.server.token is not None
        asking = (
            f"GET /api/state HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {served.server.token.value}\r\n\r\n"
        )
        for _ in range(MAX_PER_CLIENT):
            reader, writer = await stack.enter_async_context(open_connection(served.url))
            writer.write(asking.encode())
            assert (await read_response(reader))[0] == 200
        parts = urlsplit(served.url)
        with socket.create_connection((parts.hostname, parts.port)) as early:
            early.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            reader, writer = await asyncio.open_connection(sock=early.dup())
            assert (await read_response(reader))[0] == 503
            # FIN, not a reset: a reset may overtake the response.
            assert await reader.read() == b""
            writer.close()


@pytest.mark.parametrize("opening", [b"", b"\x16\x03\x01\x02\x00\x01\x00"], ids=["silent", "half a ClientHello"])
async def test_a_thousand_unfinished_handshakes_take_no_more_slots_than_one_address_has(
    tmp_path: Path, script: Script, monkeypatch: pytest.MonkeyPatch, opening: bytes
) -> None:
    monkeypatch.setattr(acceptor, "HANDSHAKE_TIMEOUT", 3.0)
    authority = trustme.CA()
    trust = trusting(authority)
    async with (
        contextlib.AsyncExitStack() as unfinished,
        serving(tmp_path, [camera(script)], **write(authority, tmp_path)) as served,
    ):
        plain = served.url.replace("https", "http")
        async with undisturbed_viewer(served, script, trust), contextlib.AsyncExitStack() as stack:
            opened = [await stack.enter_async_context(open_connection(plain)) for _ in range(1000)]
            for _, writer in opened:
                writer.write(opening)
            room = MAX_PER_CLIENT - 1
            ended = [asyncio.create_task(seconds_until_closed(reader, 10)) for reader, _ in opened]
            await until(lambda: sum(task.done() for task in ended) >= 1000 - room)
            # Meanwhile a client with another address is accepted.
            async with (
                aiohttp.ClientSession(connector=aiohttp.TCPConnector(local_addr=("127.0.0.2", 0))) as other,
                other.get(f"{served.url}/healthz", ssl=trust) as response,
            ):
                assert response.status == 200
            assert max([await task for task in ended]) < 8
        # Failed handshakes release their slots.
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(room):
                reader, writer = await stack.enter_async_context(open_connection(served.url, trust))
                writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await read_response(reader))[0] == 200
        # A server that stops does not wait for a handshake.
        await unfinished.enter_async_context(open_connection(plain))
        await asyncio.sleep(0.1)
        began = time.monotonic()
    assert asyncio.all_tasks() == {asyncio.current_task()}
    assert time.monotonic() - began < 1


async def test_without_file_descriptors_viewers_go_on_and_new_connections_wait(tmp_path: Path) -> None:
    (port,) = free_ports(0)
    server = Server(
        Path(sys.prefix),
        tmp_path,
        ProgramSettings(port=port, flags=("--no-auth", "--fps", "10", "--zeroconf", "false")),
    )
    await server.start_and_wait()
    try:
        async with open_connection(server.url) as (watched, writer), contextlib.AsyncExitStack() as stack:
            writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            for _ in range(3):
                await watched.readuntil(b"\r\n--frame\r\n")
            open_files = len(os.listdir(f"/proc/{server.pid}/fd"))  # noqa: PTH208  (no disk)
            _, hard = resource.prlimit(server.pid, resource.RLIMIT_NOFILE)
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (open_files + 5, hard))
            waiting = [await stack.enter_async_context(open_connection(server.url)) for _ in range(20)]
            for _ in range(30):
                await watched.readuntil(b"\r\n--frame\r\n")
            assert server.log.read_text().count("cannot accept connections: Too many open files") == 1
            resource.prlimit(server.pid, resource.RLIMIT_NOFILE, (hard, hard))
            for reader, asking in waiting:
                asking.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
                assert (await read_response(reader))[0] == 200
    finally:
        server.stop()


async def test_the_limit_of_open_files_is_raised_to_the_allowed_connections(
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


@contextlib.asynccontextmanager
async def viewers(url: str, path: str, host: str, count: int) -> AsyncIterator[list[aiohttp.ClientResponse]]:
    connector = aiohttp.TCPConnector(local_addr=(host, 0), limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        yield [await session.get(url + path) for _ in range(count)]


async def test_viewers_are_limited_in_all_per_camera_and_per_address(tmp_path: Path) -> None:
    cameras = [camera(Script(fps=5), name) for name in ("front", "back")]
    async with serving(tmp_path, cameras, **FEW_VIEWERS) as served, contextlib.AsyncExitStack() as stack:

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
        assert served.server.viewers == 5
    async with serving(tmp_path, [camera(Script())], **FEW_VIEWERS) as served:
        async with viewers(served.url, "/stream", "127.0.0.2", 2):
            pass
        await until(lambda: served.server.viewers == 0)
        async with viewers(served.url, "/stream", "127.0.0.2", 2) as again:
            assert [response.status for response in again] == [200, 200]
