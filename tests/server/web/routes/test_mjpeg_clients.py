"""Programs that show MJPEG streams: how each of them asks, and how it finds the pictures in the answer."""

import asyncio
import base64
import re
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from tests.server.support.raw_http import open_connection
from tests.server.support.scripted_camera import Script, Served, camera, level_of, serving, until
from tests.server.web.transport.test_tls import write

PICTURES = 4

# AUTH and VIEW stand for the access token, as the password of Basic, and for a view token.
REQUESTS = {
    "HTTP/1.0 without a Host": ["GET /stream?token=VIEW HTTP/1.0"],
    "HTTP/1.0 that keeps the connection": ["GET /stream?token=VIEW HTTP/1.0", "Connection: Keep-Alive"],
    "Basic without a challenge": ["GET /stream HTTP/1.0", "Connection: close", "Authorization: Basic AUTH"],
    "other cases": ["GET /stream HTTP/1.1", "host: pi.local", "Authorization: basic AUTH", "connection: Close"],
    "parameters of other cameras": [
        "GET /video.mjpg?resolution=640x480&compression=30&fps=10&rnd=0.42&x&&token=VIEW HTTP/1.1",
        "Host: pi.local",
    ],
    "an Accept that is not one": ["GET /stream?token=VIEW HTTP/1.1", "Host: pi.local", "Accept: ;q=x,, text/plain;"],
    "Synology": ["GET /stream HTTP/1.1", "Host: pi.local:80", "User-Agent: Synology", "Authorization: Basic AUTH"],
    "a range of everything": ["GET /stream?token=VIEW HTTP/1.1", "Host: pi.local", "Range: bytes=0-"],
    "VLC": ["GET /stream?token=VIEW HTTP/1.1", "Host: pi.local", "Icy-MetaData: 1", "User-Agent: VLC/3.0.21"],
    "an absolute URL": ["GET http://pi.local/stream?token=VIEW HTTP/1.1", "Host: pi.local"],
    "curl that would like HTTP/2": [
        "GET /stream?token=VIEW HTTP/1.1",
        "Host: pi.local",
        "Connection: Upgrade, HTTP2-Settings",
        "Upgrade: h2c",
        "HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
    ],
    "compression": ["GET /stream?token=VIEW HTTP/1.1", "Host: pi.local", "Accept-Encoding: gzip, deflate, br, zstd"],
}


def by_boundary(content_type: str, body: bytes) -> list[bytes]:
    """Return the whole pictures between boundaries, which begin with two dashes."""
    boundary = content_type.partition("boundary=")[2].strip('"').encode()
    return [part.partition(b"\r\n\r\n")[2] for part in body.split(b"\r\n--" + boundary)[:-1]]


def by_bare_boundary(content_type: str, body: bytes) -> list[bytes]:
    """Return the whole pictures, as a program does that looks for the boundary without the dashes."""
    boundary = content_type.partition("boundary=")[2].strip('"').lstrip("-").encode()
    parts = body.split(boundary + b"\r\n")[1:-1]
    return [part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n--") for part in parts]


def by_length(content_type: str, body: bytes) -> list[bytes]:  # noqa: ARG001
    """Return the whole pictures, by the length in the headers of each."""
    found = []
    while match := re.search(rb"Content-Length: (\d+)\r\n(?:[^\r\n]+\r\n)*\r\n", body):
        length = int(match[1])
        if len(body) < match.end() + length:
            break
        found.append(body[match.end() : match.end() + length])
        body = body[match.end() + length :]
    return found


def by_markers(content_type: str, body: bytes) -> list[bytes]:  # noqa: ARG001
    """Return the whole pictures, by the markers at the begin and the end of a JPEG."""
    return re.findall(rb"\xff\xd8.*?\xff\xd9", body, re.DOTALL)


@pytest.fixture(params=["http", "https"])
async def served(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[tuple[Served, ssl.SSLContext | None]]:
    """A server with a token, and what trusts its certificate if it has one."""
    settings: dict[str, Any] = {}
    trust = None
    if request.param == "https":
        authority = trustme.CA()
        settings = write(authority, tmp_path)
        trust = ssl.create_default_context()
        authority.configure_trust(trust)
    script = Script(fps=50)
    async with serving(
        tmp_path, [camera(script, linger=5)], needs_token=True, hosts=("pi.local",), **settings
    ) as running:
        await until(lambda: script.frames > 0)
        yield running, trust


async def asked(server: Served, trust: ssl.SSLContext | None, lines: list[str]) -> tuple[str, bytes]:
    """Send a request, with the tokens of the server, and return the content type and the begin of the body."""
    assert server.server.token is not None
    assert server.server.view_tokens is not None
    basic = base64.b64encode(f"viewer:{server.server.token.value}".encode()).decode()
    view = server.server.view_tokens.make("front")
    text = "\r\n".join([*lines, "\r\n"]).replace("AUTH", basic).replace("VIEW", view)
    async with open_connection(server.url, trust) as (reader, writer), asyncio.timeout(10):
        writer.write(text.encode())
        first, *headers = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        assert first.split(" ", 1)[1] == "200 OK"
        fields = {name.lower(): value for name, _, value in (line.partition(": ") for line in headers)}
        assert not {"transfer-encoding", "content-encoding", "content-length"} & set(fields)
        body = b""
        while body.count(b"\r\n--frame\r\n") < PICTURES:
            body += await reader.readuntil(b"\r\n--frame\r\n")
        return fields["content-type"], body


@pytest.mark.parametrize("request_lines", REQUESTS.values(), ids=REQUESTS.keys())
async def test_each_finds_the_pictures(served: tuple[Served, ssl.SSLContext | None], request_lines: list[str]) -> None:
    server, trust = served
    content_type, body = await asked(server, trust, request_lines)
    expected = by_length(content_type, body)[: PICTURES - 1]
    # Each is another picture, and whole.
    assert len({level_of(picture) for picture in expected}) == PICTURES - 1
    for find in (by_boundary, by_bare_boundary, by_markers):
        assert find(content_type, body)[: PICTURES - 1] == expected, find.__name__


async def test_a_program_that_asks_for_the_head_first_gets_it_and_counts_as_no_viewer(
    served: tuple[Served, ssl.SSLContext | None],
) -> None:
    server, trust = served
    assert server.server.view_tokens is not None
    view = server.server.view_tokens.make("front")
    request = f"HEAD /stream?token={view} HTTP/1.1\r\nHost: pi.local\r\nUser-Agent: Synology\r\n\r\n"
    async with open_connection(server.url, trust) as (reader, writer), asyncio.timeout(10):
        writer.write(request.encode())
        answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"multipart/x-mixed-replace; boundary=frame\r\n" in answer
    assert answer.endswith(b"\r\n\r\n")
    assert server.server.viewers == 0
