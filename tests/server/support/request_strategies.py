"""Hypothesis strategies for HTTP requests: some hardly HTTP, some nearly valid, some valid."""

import base64
from urllib.parse import quote

from hypothesis import strategies as st
from pi_mjpeg_server.web.security.session_cookie import COOKIE_NAME

TOKEN = "a-token-that-the-drawn-requests-know"  # noqa: S105  (of a test)
SNAPSHOT_ID = "front-20261122T100000000Z-9f3a61c2"
SESSION_PLACEHOLDER = "@session@"
SIGNATURE_PLACEHOLDER = "@signature@"
"""Only a running server knows these two values. The test replaces the placeholders before it sends a request."""

_ROUTES = (
    *(("GET", path) for path in ("/", "/login", "/healthz", "/metrics", "/api/state", "/api/openapi.json")),
    *(("GET", path) for path in ("/cameras/front/stream", "/cameras/front/snapshot.jpg", "/stream", "/video_feed")),
    *(
        ("GET", path)
        for path in ("/snapshot.jpg", "/static/page.js", "/static/icon.svg", f"/snapshots/{SNAPSHOT_ID}.jpg")
    ),
    *(("POST", path) for path in ("/login", "/logout", "/api/cameras/front/snapshots", "/api/cameras/front/restart")),
    ("PATCH", "/api/cameras/front/controls"),
    *((method, "/api/cameras/front/view_token") for method in ("POST", "DELETE")),
    *(("GET", path) for path in ("/webcam/?action=snapshot", "/snapshot/?token=x", "/cameras/front/stream/?token=%ff")),
    ("PATCH", "/api/cameras/front"),
    ("GET", "/api/events"),
)
_METHODS = ("GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS")
_NAMES = (
    *("Host", "Authorization", "Cookie", "Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding"),
    *("X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Forwarded-Prefix", "Origin", "Sec-Fetch-Site"),
    *("If-None-Match", "If-Modified-Since", "Range", "Accept", "Connection", "Expect", "Upgrade", "User-Agent"),
    *("Access-Control-Request-Method", "Sec-Fetch-Mode"),
)
_JUNK = st.one_of(
    st.binary(max_size=40).map(lambda value: value.replace(b"\n", b"").replace(b"\r", b"")),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=40).map(str.encode),
    st.text(st.characters(min_codepoint=161, max_codepoint=255), max_size=20).map(str.encode),
)
_VALUES = st.one_of(
    st.sampled_from(
        [
            *("localhost", "chunked", "gzip", "application/json", "application/x-www-form-urlencoded", "0", "2", "-1"),
            *("http://evil.example", "https://dash.example", "*", '"a"', 'W/"', "bytes=0-5,9-", "bytes=99999-"),
            *("close", "upgrade", "websocket", "100-continue", "127.0.0.1, ::1", "https", "/pi", "PATCH", "cors"),
            *(
                "Bearer x",
                "Basic eDp5",
                f'"{SNAPSHOT_ID}"',
                "Fri, 31 Feb 2026 99:99:99 GMT",
                "same-origin",
                "text/html",
            ),
            *("image/*", "none", "a, b;q=0, */*;q=nan", "evil.example", "[::1]:99999"),
        ]
    ).map(str.encode),
    _JUNK,
)
_COOKIES = st.lists(
    st.one_of(
        st.sampled_from(
            [
                *(
                    f"{COOKIE_NAME}={SESSION_PLACEHOLDER}",
                    f"{COOKIE_NAME}=",
                    f'{COOKIE_NAME}="{SESSION_PLACEHOLDER}"',
                    f"{COOKIE_NAME}={SESSION_PLACEHOLDER}; Path=/",
                    COOKIE_NAME,
                ),
                *("a=b", "=", ";;;", '"', "a=\\303", "__Host-x=1", "$Version=1", f"{COOKIE_NAME}={'x' * 3000}"),
            ]
        ).map(str.encode),
        _JUNK,
    ),
    min_size=1,
    max_size=4,
).map(b"; ".join)
_CREDENTIALS = st.sampled_from(
    [
        ("Authorization", f"Bearer {TOKEN}"),
        ("Authorization", "Basic " + base64.b64encode(f"x:{TOKEN}".encode()).decode()),
        ("Cookie", f"{COOKIE_NAME}={SESSION_PLACEHOLDER}"),
    ]
)
_NUMBERS = st.sampled_from(["0", "-1", "1e309", "nan", "9" * 400, "32", "16", "0.5", "240", "60000", "1_0", "²", "%00"])
_TEXTS = st.one_of(
    st.sampled_from(
        ["%ff%fe", "%", "%zz", "stream", "snapshot", "stream_0", "snapshot_1", "stream_٣", SIGNATURE_PLACEHOLDER, "+"]
    ),
    st.text(max_size=20),
    _NUMBERS,
)
_QUERIES = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["fps", "width", "height", "max_age"]), _NUMBERS),
        st.tuples(st.just("action"), st.sampled_from(["stream", "snapshot", "snapshot_0", "stream_1", "command"])),
        st.tuples(st.just("sig"), st.sampled_from([SIGNATURE_PLACEHOLDER, SIGNATURE_PLACEHOLDER[:-1], ""])),
        st.tuples(st.sampled_from(["fps", "width", "action", "sig", "again", ""]), _TEXTS),
    ).map("=".join),
    max_size=4,
).map("&".join)
_BODIES = st.one_of(
    st.sampled_from(
        [
            *(b"{}", b"[" * 9000, b'{"brightness": 1e999}', b'{"brightness": NaN}', b'{"brightness": 6}', b"token=%ff"),
            *(b'{"a": ' + b"9" * 5000 + b"}", b"x" * 20_000, f"token={TOKEN}".encode(), b"token=" * 50),
        ]
    ),
    st.binary(max_size=200),
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
        max_leaves=5,
    ).map(lambda value: repr(value).replace("'", '"').encode("utf-8", "replace")),
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    """Draw a request: a few are random bytes, the others have one mistake, many or none."""
    if draw(_RARELY):
        return draw(st.binary(min_size=1, max_size=300)) + b"\r\n\r\n"
    method, path = draw(st.sampled_from(_ROUTES))
    if draw(_SOMETIMES):
        method = draw(st.sampled_from(_METHODS))
    if draw(_SOMETIMES):
        path = draw(st.text(max_size=30).map(lambda text: "/" + text))
    query = draw(_QUERIES)
    target = (path + (f"?{query}" if query else "")).encode("utf-8", "replace")
    if not draw(_SOMETIMES):
        target = quote(target, safe="/?&=%@+").encode()
    headers, body = draw(_HEADERS), b""
    if method in {"POST", "PATCH"} or draw(_SOMETIMES):
        body = draw(_BODIES)
        headers += [] if draw(_SOMETIMES) else [("Content-Length", b"%d" % len(body))]
        headers += [("Content-Type", b"application/x-www-form-urlencoded")] if path == "/login" else []
    lines = [
        method.encode() + b" " + target + b" HTTP/1.1",
        *(name.encode() + b": " + value for name, value in headers),
    ]
    return b"\r\n".join([*lines, b"", b""]) + body


# Hypothesis prefers the ends of a range, so these numbers are in the middle.
_RARELY = st.integers(0, 20).map(lambda number: number == 11)
_SOMETIMES = st.integers(0, 10).map(lambda number: number == 7)


@st.composite
def _headers(draw: st.DrawFn) -> list[tuple[str, bytes]]:
    headers = [] if draw(_SOMETIMES) else [("Host", b"localhost")]
    if draw(st.booleans()):
        headers += draw(st.lists(st.tuples(st.sampled_from(_NAMES), _VALUES), max_size=3))
    if draw(st.booleans()):
        name, value = draw(_CREDENTIALS)
        # Wrong tokens make an address wait, so requests with the right one come from another.
        other = b"10.0.%d.%d" % (draw(st.integers(0, 255)), draw(st.integers(0, 255)))
        headers += [(name, value.encode()), ("X-Forwarded-For", other)]
    elif draw(st.booleans()):
        headers.append(("Cookie", draw(_COOKIES)))
    return headers


_HEADERS = _headers()
