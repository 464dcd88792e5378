"""HTTP as bytes on a socket, for requests that no well-behaved client sends."""

import asyncio
import contextlib
import json
import ssl
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit


@contextlib.asynccontextmanager
async def open_connection(
    url: str, trust: ssl.SSLContext | None = None, *, client: str | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to the server of this URL, with TLS if there is an SSL context, from the address `client`."""
    parts = urlsplit(url)
    local = None if client is None else (client, 0)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trust, local_addr=local)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def read_response(
    reader: asyncio.StreamReader, seconds: float = 30, *, head_only: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """Return the status, headers (names in lower case) and body of one response that has a Content-Length."""
    async with asyncio.timeout(seconds):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = b"" if head_only else await reader.readexactly(int(headers.get("content-length", 0)))
    return int(first.split()[1]), headers, body


async def send_raw(url: str, data: bytes, seconds: float = 30) -> tuple[int, dict[str, str], bytes]:
    """Send bytes over a new connection and return the first response."""
    async with open_connection(url) as (reader, writer):
        writer.write(data)
        return await read_response(reader, seconds, head_only=data.startswith(b"HEAD "))


def parse_error(body: bytes) -> dict[str, Any]:
    """Return the error that a response body describes. Fails when it has another form."""
    document = json.loads(body)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    error: dict[str, Any] = document["error"]
    return error


def count_established(url: str) -> int:
    """Return how many IPv4 connections to the server of this URL the kernel holds (proc(5), net/tcp)."""
    port = f"{urlsplit(url).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port}") and row[3] == "01" for row in rows)


async def seconds_until_closed(reader: asyncio.StreamReader, seconds: float) -> float:
    """Return how long the server takes to close the connection. Raises `TimeoutError` after `seconds`."""
    started = time.monotonic()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            await reader.read()
    return time.monotonic() - started
