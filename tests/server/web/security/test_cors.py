"""Scripts of other origins, by the headers that browsers send for them: only allowed origins may read answers."""

from collections.abc import AsyncIterator, Mapping
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.web.security.auth import COOKIE

from tests.server.support.raw_http import said
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

GUEST = "https://dash.example"
STRANGERS = ("https://evil.example", "https://dash.example.evil.example", "http://dash.example", "null", "*", "")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script()), camera(Script(fail_open="unplugged"), "shed")]
    async with serving(tmp_path, cameras, locked=True, cors_origins=(GUEST,)) as running:
        await until(lambda: cameras[0].broadcast.latest is not None and not cameras[1].available)
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    assert served.server.token is not None
    headers = {"Authorization": f"Bearer {served.server.token.value}"}
    async with aiohttp.ClientSession(headers=headers, cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def access(headers: Mapping[str, str]) -> dict[str, str]:
    found = {name.lower(): value for name, value in headers.items()}
    return {name: value for name, value in found.items() if name.startswith("access-control-")}


async def asked(served: Served, path: str, method: str, origin: str) -> tuple[int, dict[str, str]]:
    """Ask as a browser does before a request: without the token."""
    lines = (
        *(f"OPTIONS {path} HTTP/1.1", "Host: localhost", f"Origin: {origin}"),
        *(f"Access-Control-Request-Method: {method}", "Access-Control-Request-Headers: authorization,content-type"),
    )
    status, headers, _ = await said(served.url, "\r\n".join((*lines, "", "")).encode())
    return status, headers


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/state", {"GET", "HEAD"}),
        ("/cameras/front/stream", {"GET", "HEAD"}),
        ("/api/cameras/front/controls", {"PATCH"}),
        ("/api/cameras/front/snapshots", {"POST"}),
    ],
)
async def test_a_guest_may_ask_whether_it_may(served: Served, path: str, methods: set[str]) -> None:
    status, headers = await asked(served, path, "GET", GUEST)
    assert status == 204
    assert access(headers) == {
        "access-control-allow-origin": GUEST,
        "access-control-allow-methods": ", ".join(sorted(methods)),
        "access-control-allow-headers": "Authorization, Content-Type",
        "access-control-max-age": "600",
        "access-control-expose-headers": "Retry-After, X-Timestamp",
    }
    assert headers["vary"] == "Origin"


@pytest.mark.parametrize("origin", STRANGERS)
async def test_a_stranger_hears_nothing(served: Served, client: aiohttp.ClientSession, origin: str) -> None:
    for path in ("/api/state", "/nothing"):
        status, headers = await asked(served, path, "GET", origin)
        assert (status, access(headers)) == (401, {})
    async with client.get(f"{served.url}/api/state", headers={"Origin": origin}) as response:
        assert response.status == 200
        assert access(response.headers) == {}
        # A cache must not give this answer to the guest, nor the guest's to anybody.
        assert response.headers["Vary"] == "Origin"


async def test_what_is_no_question_is_no_way_past_the_lock(served: Served) -> None:
    for path in ("/nothing", "/api/", "/cameras/front"):
        assert (await asked(served, path, "GET", GUEST))[0] == 401
    for line in ("GET /api/state", "OPTIONS /api/state", "POST /api/cameras/front/restart"):
        request = f"{line} HTTP/1.1\r\nHost: localhost\r\nOrigin: {GUEST}\r\nContent-Length: 0\r\n\r\n"
        assert (await said(served.url, request.encode()))[0] == 401
    wrong_host = f"OPTIONS /api/state HTTP/1.1\r\nHost: evil.example\r\nOrigin: {GUEST}\r\n"
    status, _, _ = await said(served.url, (wrong_host + "Access-Control-Request-Method: GET\r\n\r\n").encode())
    assert status == 421


async def test_a_guests_script_can_read_every_answer_and_every_refusal(
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
        async with client.request(method, served.url + path, headers={"Origin": GUEST, **headers}) as response:
            answers[method, path, response.status] = access(response.headers)
            assert "Access-Control-Allow-Credentials" not in response.headers
    assert {status for *_, status in answers} == {200, 201, 400, 401, 404, 415, 421, 503}
    for answer in answers.values():
        assert answer["access-control-allow-origin"] == GUEST


async def test_a_guest_commands_by_its_token_and_not_in_somebodys_name(
    served: Served, client: aiohttp.ClientSession
) -> None:
    token = served.server.token
    assert token is not None
    url = f"{served.url}/api/cameras/front/controls"
    seen = {}
    for name, headers in {
        "bearer": {},
        "basic": {"Authorization": aiohttp.encode_basic_auth("", token.value)},
        "cookie": {"Authorization": "", "Cookie": f"{COOKIE}={token.key('pi_mjpeg session').hex()}"},
    }.items():
        async with client.patch(url, json={"brightness": 4}, headers={"Origin": GUEST, **headers}) as response:
            seen[name] = response.status
    assert seen == {"bearer": 200, "basic": 403, "cookie": 403}


@pytest.mark.parametrize(("origin", "status"), [(GUEST, 200), (STRANGERS[0], 403)])
async def test_on_an_open_server_a_guest_may_command_and_a_stranger_not(
    tmp_path: Path, origin: str, status: int
) -> None:
    async with (
        serving(tmp_path, [camera(Script())], cors_origins=(GUEST,)) as served,
        aiohttp.ClientSession(headers={"Origin": origin, "Sec-Fetch-Site": "cross-site"}) as client,
    ):
        await until(lambda: bool(served.server.cameras[0].controls))
        async with client.patch(f"{served.url}/api/cameras/front/controls", json={"brightness": 4}) as response:
            assert response.status == status
        # Whose browser it is, a page elsewhere does not decide.
        async with client.post(f"{served.url}/login", data={"token": "x"}) as response:
            assert response.status == 403
