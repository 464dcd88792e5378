"""HTTP as bytes on a socket: what no well-behaved client sends, and what comes back."""

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
async def connected(
    url: str, trust: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Open a connection to the server of this URL, by TLS when there is a context to trust it by."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=trust)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def answer(
    reader: asyncio.StreamReader, seconds: float = 30, *, head_only: bool = False
) -> tuple[int, dict[str, str], bytes]:
    """Return one response that has a Content-Length: its status, its headers in lower case, its body."""
    async with asyncio.timeout(seconds):
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = b"" if head_only else await reader.readexactly(int(headers.get("content-length", 0)))
    return int(first.split()[1]), headers, body


async def said(url: str, data: bytes, seconds: float = 30) -> tuple[int, dict[str, str], bytes]:
    """Send bytes and return the first response."""
    async with connected(url) as (reader, writer):
        writer.write(data)
        return await answer(reader, seconds, head_only=data.startswith(b"HEAD "))


def error_of(body: bytes) -> dict[str, Any]:
    """Return the refusal that a body is; fails when it is none."""
    document = json.loads(body)
    assert set(document) == {"error"}
    assert set(document["error"]) == {"code", "message"}
    error: dict[str, Any] = document["error"]
    return error


def established(url: str) -> int:
    """Return how many connections of IPv4 the kernel keeps open to the server of this URL (proc(5), net/tcp)."""
    port = f"{urlsplit(url).port:04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[1].endswith(f":{port}") and row[3] == "01" for row in rows)


async def closed_within(reader: asyncio.StreamReader, seconds: float) -> float:
    """Wait for the server to hang up; return how long it took."""
    began = time.monotonic()
    with contextlib.suppress(ConnectionError):
        async with asyncio.timeout(seconds):
            await reader.read()
    return time.monotonic() - began
