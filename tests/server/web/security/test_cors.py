"""Scripts of other origins, by the headers that browsers send: only allowed origins may read responses."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.web.security.session_cookie import COOKIE_NAME

from tests.server.support.raw_http import send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

ALLOWED = "https://dash.example"
OTHER_ORIGINS = ("https://evil.example", "https://dash.example.evil.example", "http://dash.example", "null", "*", "")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script()), camera(Script(fail_open="unplugged"), "shed")]
    async with serving(tmp_path, cameras, needs_token=True, cors_origins=(ALLOWED,)) as running:
        await until(lambda: cameras[0].broadcast.latest is not None and not cameras[1].available)
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    assert served.server.token is not None
    headers = {"Authorization": f"Bearer {served.server.token.value}"}
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def cors_headers(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in found.items() if name.startswith("access-control-")}


async def preflight(served: Served, path: str, method: str, origin: str) -> tuple[int, dict[str, str]]:
    """Send a preflight request as a browser does, without the token."""
    lines = (
        *(f"OPTIONS {path} HTTP/1.1", "Host: localhost", f"Origin: {origin}"),
        *(f"Access-Control-Request-Method: {method}", "Access-Control-Request-Headers: authorization,content-type"),
    )
    status, headers, _ = await send_raw(served.url, "\r\n".join((*lines, "", "")).encode())
    return status, headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/state", {"GET", "HEAD"}),
        ("/cameras/front/stream", {"GET", "HEAD"}),
        ("/api/cameras/front/controls", {"PATCH"}),
        ("/api/cameras/front/snapshots", {"GET", "HEAD", "POST"}),
    ],
)
async def test_a_preflight_of_an_allowed_origin_is_answered(served: Served, path: str, methods: set[str]) -> None:
    status, headers = await preflight(served, path, "GET", ALLOWED)
    assert status == 204
    assert cors_headers(headers) == {
        "access-control-allow-origin": ALLOWED,
        "access-control-allow-methods": ", ".join(sorted(methods)),
        "access-control-allow-headers": "Authorization, Content-Type",
        "access-control-max-age": "600",
        "access-control-expose-headers": "Retry-After, X-Gap, X-Height, X-Timestamp, X-Width",
    }
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", OTHER_ORIGINS)
async def test_another_origin_gets_no_cors_headers(served: Served, client: aiohttp.ClientSession, origin: str) -> None:
    for path in ("/api/state", "/nothing"):
        status, headers = await preflight(served, path, "GET", origin)
        assert (status, cors_headers(headers)) == (401, {})
    async with client.get(f"{served.url}/api/state", headers={"Origin": origin}) as response:
        assert response.status == 200
        assert cors_headers(response.headers) == {}
        # A cache must not give this response to the allowed origin, nor the other way round.
        assert response.headers["Vary"] == "Origin"


async def test_what_is_not_a_preflight_needs_the_token(served: Served) -> None:
    for path in ("/nothing", "/api/", "/cameras/front"):
        assert (await preflight(served, path, "GET", ALLOWED))[0] == 401
    for line in ("GET /api/state", "OPTIONS /api/state", "POST /api/cameras/front/restart"):
        request = f"{line} HTTP/1.1\r\nHost: localhost\r\nOrigin: {ALLOWED}\r\nContent-Length: 0\r\n\r\n"
        assert (await send_raw(served.url, request.encode()))[0] == 401
    wrong_host = f"OPTIONS /api/state HTTP/1.1\r\nHost: evil.example\r\nOrigin: {ALLOWED}\r\n"
    status, _, _ = await send_raw(served.url, (wrong_host + "Access-Control-Request-Method: GET\r\n\r\n").encode())
    assert status == 421


async def test_an_allowed_script_can_read_every_response_and_every_error(
    served: Served, client: aiohttp.ClientSession
) -> None:
    answers = {}
    for method, path, headers in (
        ("GET", "/api/state", {}),
        ("GET", "/snapshot.jpg", {}),
        ("GET", "/cameras/front/stream", {}),
        ("GET", "/api/state", {"Authorization": "Bearer wrong"}),
        ("GET", "/nothing", {}),
        ("GET", "/snapshot.jpg?width=x", {}),
        ("GET", "/cameras/shed/snapshot.jpg", {}),
        ("POST", "/api/cameras/front/snapshots", {}),
        ("PATCH", "/api/cameras/front/controls", {"Content-Encoding": "gzip"}),
        ("GET", "/static/page.css", {}),
        ("GET", "/healthz", {"Host": "evil.example"}),
    ):
        async with client.request(method, served.url + path, headers={"Origin": ALLOWED, **headers}) as response:
            answers[method, path, response.status] = cors_headers(response.headers)
            assert "Access-Control-Allow-Credentials" not in response.headers
    assert {status for *_, status in answers} == {200, 201, 400, 401, 404, 415, 421, 503}
    for answer in answers.values():
        assert answer["access-control-allow-origin"] == ALLOWED


async def test_an_allowed_script_commands_with_a_bearer_token_and_not_with_the_users_credentials(
    served: Served, client: aiohttp.ClientSession
) -> None:
    token = served.server.token
    assert token is not None
    url = f"{served.url}/api/cameras/front/controls"
    seen = {}
    for name, headers in {
        "bearer": {},
        "basic": {"Authorization": aiohttp.encode_basic_auth("", token.value)},
        "cookie": {"Authorization": "", "Cookie": f"{COOKIE_NAME}={token.key('pi_mjpeg session').hex()}"},
    }.items():
        async with client.patch(url, json={"brightness": 4}, headers={"Origin": ALLOWED, **headers}) as response:
            seen[name] = response.status
    assert seen == {"bearer": 200, "basic": 403, "cookie": 403}


@pytest.mark.parametrize(("origin", "status"), [(ALLOWED, 200), (OTHER_ORIGINS[0], 403)])
async def test_without_auth_an_allowed_script_may_command_and_another_may_not(
    tmp_path: Path, origin: str, status: int
) -> None:
    async with (
        serving(tmp_path, [camera(Script())], cors_origins=(ALLOWED,)) as served,
        aiohttp.ClientSession(headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"}) as client,
    ):
        await until(lambda: bool(served.server.cameras[0].controls))
        async with client.patch(f"{served.url}/api/cameras/front/controls", json={"brightness": 4}) as response:
            assert response.status == status
        # No page of another origin may log a browser in.
        async with client.post(f"{served.url}/login", data={"token": "x"}) as response:
            assert response.status == 403
