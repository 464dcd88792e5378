"""The page, the state, and errors in one form."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.support.scripted_camera import Script, Served, camera, serving, until


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script()), camera(Script(fail_open="unplugged"), "shed")]) as running:
        await until(lambda: not running.server.cameras[1].available)
        yield running


async def test_the_page_loads_nothing_from_other_servers(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(served.url) as response:
        assert response.content_type == "text/html"
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        text = await response.text()
    for name in ("page.css", "page.js", "icon.svg"):
        assert f'"static/{name}"' in text
        async with client.get(f"{served.url}/static/{name}") as response:
            assert response.status == 200
            assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "://" not in text


async def test_the_state_describes_each_camera(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{served.url}/api/state") as response:
        state = await response.json()
    assert state["server"]["name"] == "Garden Pi"
    front, shed = state["cameras"]
    assert front["available"]
    assert not shed["available"]
    assert shed["reason"] == "unplugged"
    assert front["stream_url"] == f"{served.url}/cameras/front/stream"


async def test_healthz_answers(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{served.url}/healthz") as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("GET", "/cameras/nobody/stream", 404),
        ("GET", "/cameras/nobody/snapshot.jpg", 404),
        ("POST", "/api/cameras/nobody/snapshots", 404),
        ("GET", "/static/..%2f..%2fcli.py", 404),
        ("GET", "/static/page.py", 404),
        ("GET", "/?action=command", 404),
        ("GET", "/?action=", 404),
        ("GET", "/?action=stream_2", 404),
        ("GET", "/?action=snapshot_99", 404),
        ("GET", "/?action=snapshot_-1", 404),
        ("GET", "/?action=snapshot_%C2%B9", 404),
        ("DELETE", "/stream", 405),
        ("PUT", "/api/cameras/front/snapshots", 405),
    ],
)
async def test_an_error_is_json_with_its_reason(
    served: Served, client: aiohttp.ClientSession, method: str, path: str, status: int
) -> None:
    async with client.request(method, served.url + path) as response:
        assert response.status == status
        error = (await response.json())["error"]
        assert set(error) == {"code", "message"}


@pytest.mark.parametrize("host", ["a b", "[::1", "x:99999", "", "\xff"])
async def test_an_invalid_host_is_not_a_server_error(served: Served, client: aiohttp.ClientSession, host: str) -> None:
    async with client.get(f"{served.url}/api/state", headers={"Host": host}) as response:
        assert response.status in {200, 400}


@pytest.mark.parametrize("path", ["/", "/login", "/static/page.js", "/api/openapi.json"])
async def test_a_file_that_the_browser_has_is_not_sent_again(
    served: Served, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(served.url + path) as response:
        assert response.status == 200
        tag, body = response.headers["ETag"], await response.read()
    async with client.get(served.url + path, headers={"If-None-Match": tag}) as response:
        assert response.status == 304
        assert await response.read() == b""
        assert response.headers["ETag"] == tag
    async with client.get(served.url + path, headers={"If-None-Match": '"other"'}) as response:
        assert await response.read() == body
    async with client.head(served.url + path) as response:
        assert response.status == 200
        assert int(response.headers["Content-Length"]) == len(body)


async def test_scripts_of_other_origins_are_not_allowed_by_default(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.get(f"{served.url}/api/state", headers={"Origin": "http://evil.example"}) as response:
        assert not [name for name in response.headers if name.lower().startswith("access-control")]
    async with client.options(f"{served.url}/api/state") as response:
        assert response.status == 405
