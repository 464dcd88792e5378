"""Whatever is sent or configured: no 500, no traceback, no growth. Seeded and bounded."""

import asyncio
import gc
import logging
import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from pi_mjpeg_server.config import ConfigurationError, load

from tests.server.scripted import Script, camera, serving, until
from tests.server.wire import connected

EXAMPLES = int(os.environ.get("PI_MJPEG_FUZZ_EXAMPLES", "400"))
"""How many requests and how many configurations; benchmarks/README.md says how to run more, and what was seen."""

_PATHS = (
    "/",
    "/login",
    "/logout",
    "/healthz",
    "/metrics",
    "/api/state",
    "/api/openapi.json",
    "/cameras/front/stream",
    "/cameras/front/snapshot.jpg",
    "/api/cameras/front/snapshots",
    "/api/cameras/front/controls",
    "/snapshots/front-20261122T100000000Z-9f3a61c2.jpg",
    "/static/page.js",
    "/stream",
    "/snapshot.jpg",
)
_NAMES = (
    *("Host", "Authorization", "Cookie", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Origin", "Sec-Fetch-Site"),
    *("If-None-Match", "If-Modified-Since", "Range", "Accept", "Connection", "Expect", "Upgrade", "User-Agent"),
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            *("localhost", "chunked", "gzip", "application/json", "application/x-www-form-urlencoded", "0", "2", "-1"),
            *(
                "http://evil.example",
                "*",
                '"a"',
                'W/"',
                "bytes=0-5,9-",
                "bytes=99999-",
                "close",
                "upgrade",
                "websocket",
            ),
            *("100-continue", "127.0.0.1, ::1", "https", "/pi", "Bearer x", "Basic eDp5", "pi_mjpeg_session=1"),
            *("Fri, 31 Feb 2026 99:99:99 GMT", "same-origin", "text/html", "image/*"),
        ]
    ).map(str.encode),
    st.binary(max_size=40).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b"")),
)
_KEYS = st.sampled_from(["fps", "width", "height", "max_age", "action", "sig", "again"])
_TEXTS = st.one_of(
    st.sampled_from(["0", "-1", "1e309", "nan", "9" * 400, "%00", "%ff%fe", "stream", "snapshot", "32", "²", "1_0"]),
    st.text(max_size=20),
)
_BODIES = st.one_of(
    st.binary(max_size=200),
    st.sampled_from(
        [
            b"{}",
            b"[" * 9000,
            b'{"brightness": 1e999}',
            b'{"brightness": NaN}',
            b'{"a": ' + b"9" * 5000 + b"}",
            b"token=%ff",
        ]
    ),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: repr(value).replace("'", '"').encode("utf-8", "replace")),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request that is nearly right, or hardly at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(min_size=1, max_size=300)) + b"\r\n\r\n"
    method = draw(st.sampled_from(["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"]))
    path = draw(st.sampled_from(_PATHS) | st.text(max_size=30).map(lambda text: "/" + text))
    query = draw(st.dictionaries(_KEYS, _TEXTS, max_size=3))
    target = (path + ("?" + "&".join(f"{key}={value}" for key, value in query.items()) if query else "")).encode(
        "utf-8", "replace"
    )
    if draw(st.booleans()):
        target = target.replace(b" ", b"+").replace(b"\r", b"").replace(b"\n", b"")
    headers = draw(st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES), max_size=4))
    body = draw(_BODIES)
    lines = [
        method.encode() + b" " + target + b" HTTP/1.1",
        *(name.encode() + b": " + value for name, value in headers),
    ]
    if draw(st.booleans()):
        lines.append(b"Host: localhost")
    if draw(st.booleans()):
        lines.append(b"Content-Length: %d" % len(body))
    return b"\r\n".join([*lines, b"", b""]) + body


async def _statuses(url: str, data: bytes) -> list[int]:
    """Send bytes, and return the status of every answer that comes before the server has nothing more to say."""
    async with connected(url) as (reader, writer):
        writer.write(data)
        received = b""
        try:
            async with asyncio.timeout(0.15):
                while piece := await reader.read(65536):
                    received += piece
                    if b"multipart/x-mixed-replace" in received or received.endswith(b"}"):
                        break
        except (TimeoutError, ConnectionError):
            pass
        writer.transport.abort()
    heads = received.split(b"HTTP/1.1 ")[1:]
    return [int(head[:3]) for head in heads if head[:3].isdigit()]


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("locked", [False, True], ids=["open", "locked"])
async def test_no_request_makes_an_internal_error_or_leaves_anything_behind(
    tmp_path: Path,
    locked: bool,  # noqa: FBT001  (a parameter of pytest's)
    caplog: pytest.LogCaptureFixture,
) -> None:
    drawn: list[bytes] = []

    @seed(20261122)
    @settings(max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
    @given(requests())
    def draw(request: bytes) -> None:
        drawn.append(request)

    await asyncio.to_thread(draw)
    caplog.set_level(logging.INFO)
    seen: dict[int, int] = {}
    trusted = {"trusted_proxies": ("127.0.0.1",)}
    async with serving(tmp_path, [camera(Script(fps=10))], locked=locked, **trusted) as served:
        await until(lambda: served.station.cameras[0].broadcast.latest is not None)
        descriptors = _descriptors()
        for start in range(0, len(drawn), 20):
            batch = drawn[start : start + 20]
            for request, statuses in zip(
                batch, await asyncio.gather(*(_statuses(served.url, each) for each in batch)), strict=True
            ):
                assert not [status for status in statuses if status in {500, 501, 502, 504}], request
                for status in statuses:
                    seen[status] = seen.get(status, 0) + 1
        await until(lambda: not served.station.viewers)
        gc.collect()
        await until(lambda: _descriptors() <= descriptors + 2)
    assert "Traceback" not in caplog.text
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == []
    # It reached further than the first check.
    assert {400, 401 if locked else 200, 404 if not locked else 401} <= set(seen), seen


_SECTIONS = st.sampled_from(["server", "auth", "mqtt", "camera", "servers", ""])
_SETTINGS = st.sampled_from(
    [
        *("name", "host", "port", "public_url", "state_dir", "tls_certificate", "hosts", "trusted_proxies", "mode"),
        *("max_viewers", "username", "discovery", "discovery_prefix", "id", "source", "size", "fps", "quality"),
        *("rotation", "hflip", "linger", "controls", "prot", "é"),
    ]
)
_TOML = st.one_of(
    st.integers(-(2**70), 2**70).map(str),
    st.floats().map(lambda value: str(value).replace("e+", "e")),
    st.sampled_from(
        ["true", "[]", "[1280, 720]", "[[]]", "{}", "{ a = { b = 1 } }", "1979-05-27T07:32:00Z", "''", "'x'"]
    ),
    st.text(max_size=20).map(lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'),
    st.text(max_size=10),
)


@seed(20261122)
@settings(max_examples=EXAMPLES, database=None, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(st.tuples(_SECTIONS, st.booleans(), st.lists(st.tuples(_SETTINGS, _TOML), max_size=3)), max_size=3),
    st.binary(max_size=20),
)
def test_no_configuration_ends_in_anything_but_a_sentence(
    tmp_path_factory: pytest.TempPathFactory,
    tables: list[tuple[str, bool, list[tuple[str, str]]]],
    junk: bytes,
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzzed.toml"
    text = ""
    for section, double, pairs in tables:
        text += f"[[{section}]]\n" if double else f"[{section}]\n"
        text += "".join(f"{key} = {value}\n" for key, value in pairs)
    file.write_bytes(text.encode("utf-8", "replace") + (junk if len(junk) > 15 else b""))
    said = None
    try:
        load(file, {}, {})
    except ConfigurationError as error:
        said = str(error)
    assert said is None or (str(file) in said and "\n" not in said.strip())
