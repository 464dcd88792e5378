"""A view token shows one camera's live picture and stills by a URL, and nothing else."""

import asyncio
import itertools
import logging
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.storage.view_tokens import ViewTokens
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.routes.aliases import ACTIONS, STILLS, STREAMS

from tests.server.support.raw_http import send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.web.security.test_auth import METHODS, bearer, example, token

FOR_FRONT = [
    *(path.replace("{camera}", "front").replace("{camera:[a-z0-9_]{1,64}}", "front") for path in (*STREAMS, *STILLS)),
    *(f"{path}?action={action}" for path in ("/", "/webcam", "/webcam/") for action in ("stream", "snapshot")),
]
FOR_SHED = [path.replace("/front", "/shed") for path in FOR_FRONT if "/front" in path] + [
    "/?action=stream_1",
    "/?action=snapshot_1",
    "/webcam2/?action=stream",
    "/webcam2?action=snapshot",
]


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script(), linger=5), camera(Script(), "shed", linger=5)]
    async with serving(tmp_path, cameras, needs_token=True) as running:
        await until(lambda: all(each.broadcast.latest is not None for each in cameras))
        yield running


async def make(client: aiohttp.ClientSession, served: Served, name: str = "front") -> str:
    url = f"{served.url}/api/cameras/{name}/view_token"
    async with client.post(url, headers=bearer(token(served))) as response:
        assert response.status == 201
        assert response.headers["Cache-Control"] == "no-store"
        made = await response.json()
    assert made["stream_url"] == f"{served.url}/cameras/{name}/stream?token={made['token']}"
    assert made["snapshot_url"] == f"{served.url}/cameras/{name}/snapshot.jpg?token={made['token']}"
    return str(made["token"])


async def ask(client: aiohttp.ClientSession, served: Served, path: str, view: str, method: str = "GET") -> int:
    url = f"{served.url}{path}{'&' if '?' in path else '?'}token={view}"
    async with client.request(method, url, allow_redirects=False) as response:
        if response.status == 200 and method == "GET":
            assert await response.content.readany()
            assert response.headers["Referrer-Policy"] == "no-referrer"
        return response.status


async def test_a_view_token_shows_the_live_picture_and_stills_of_its_camera_only(
    served: Served, client: aiohttp.ClientSession
) -> None:
    view = await make(client, served)
    for path in FOR_FRONT:
        assert await ask(client, served, path, view) == 200, path
        assert await ask(client, served, path, view, "HEAD") == 200, path
        assert await ask(client, served, path, view[:-1]) == 401, path
        assert await ask(client, served, path, "") == 401, path
        assert await ask(client, served, path, token(served)) == 401, path
    for path in (*FOR_SHED, "/cameras/nobody/stream", "/?action=stream_7", "/?action=", "/webcam/"):
        assert await ask(client, served, path, view) == 401, path
    other = await make(client, served, "shed")
    for path in FOR_SHED:
        assert await ask(client, served, path, other) == 200, path
        assert await ask(client, served, path, view) == 401, path


async def test_a_view_token_opens_no_other_route_and_no_other_method(
    served: Served, client: aiohttp.ClientSession
) -> None:
    view = await make(client, served)
    resources = {each.canonical for each in make_application(served.server, ServerSettings()).router.resources()}
    pictures = {each.replace(":[a-z0-9_]{1,64}", "") for each in (*STREAMS, *STILLS)}
    assert pictures < resources
    assert {path for path in resources if path.startswith("/webcam")} == set(ACTIONS)
    for path, method in itertools.product({*resources, "/nothing", "/?action=snapshot"}, METHODS):
        if path in {*pictures, "/?action=snapshot"} and method in {"GET", "HEAD"}:
            continue
        url = f"{example(path)}{'&' if '?' in path else '?'}token={view}"
        without, _, _ = await send_raw(
            served.url, f"{method} {example(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
        )
        seen, _, _ = await send_raw(
            served.url, f"{method} {url} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
        )
        assert seen == without, (method, path)
    for headers in (bearer(view), {"Cookie": f"pi_mjpeg_session={view}"}, {"Cookie": f"token={view}"}):
        async with client.get(f"{served.url}/cameras/front/snapshot.jpg", headers=headers) as response:
            assert response.status == 401


async def test_revoking_and_making_another_end_the_old_one_and_its_streams_at_once(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    def in_another_process() -> ViewTokens:
        access = AccessToken(tmp_path / "token")
        return ViewTokens(tmp_path / "view_tokens.json", lambda: access.key("view"))

    async def over_http() -> None:
        url = f"{served.url}/api/cameras/front/view_token"
        for _ in range(2):
            async with client.delete(url, headers=bearer(token(served))) as response:
                assert response.status == 204

    async def by_the_command_line() -> None:
        assert in_another_process().revoke("front")
        assert not in_another_process().revoke("front")

    async def by_another() -> None:
        in_another_process().make("front")

    async def by_rotation() -> None:
        AccessToken(tmp_path / "token").rotate()

    shed = await make(client, served, "shed")
    for end in (over_http, by_the_command_line, by_another, by_rotation):
        view = await make(client, served)
        async with client.get(f"{served.url}/stream?token={view}") as response:
            await response.content.readuntil(b"--frame\r\n")
            assert await ask(client, served, "/cameras/shed/snapshot.jpg", shed) == 200
            await end()
            async with asyncio.timeout(5):
                while await response.content.readany():
                    pass
        assert await ask(client, served, "/snapshot.jpg", view) == 401
    assert await ask(client, served, "/cameras/shed/snapshot.jpg", shed) == 401


async def test_the_state_says_which_cameras_have_one(served: Served, client: aiohttp.ClientSession) -> None:
    async def said() -> list[bool]:
        async with client.get(f"{served.url}/api/state", headers=bearer(token(served))) as response:
            return [each["view_token"] for each in (await response.json())["cameras"]]

    assert await said() == [False, False]
    await make(client, served)
    assert await said() == [True, False]


async def test_the_view_token_reaches_no_log_no_file_and_no_other_answer(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    view = await make(client, served)
    with caplog.at_level(logging.DEBUG):
        for path in (
            "/snapshot.jpg",
            "/snapshot.jpg?width=x",
            "/api/state",
            "/nothing",
            "/?action=x",
            "/cameras/shed/stream",
        ):
            url = f"{served.url}{path}{'&' if '?' in path else '?'}token={view}"
            for headers in ({}, {"Accept": "text/html"}, bearer(token(served)) | {"User-Agent": "x"}):
                async with client.get(url, headers=headers, allow_redirects=False) as response:
                    assert view.encode() not in await response.content.read(200_000)
                    assert view not in str(response.headers)
    assert view not in caplog.text
    file = tmp_path / "view_tokens.json"
    assert view.encode() not in await asyncio.to_thread(file.read_bytes)
    assert file.stat().st_mode & 0o777 == 0o600


async def test_a_server_without_a_token_has_no_view_tokens(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        for method in ("POST", "DELETE"):
            async with client.request(method, f"{served.url}/api/cameras/front/view_token") as response:
                assert response.status == 404
                assert "needs no token" in (await response.json())["error"]["message"]
        assert await ask(client, served, "/snapshot.jpg", "anything") == 200


@pytest.mark.parametrize("content", ["", "[]", "{", '{"key": 1}', '{"key": "x", "cameras": {"front": 5}}', "[" * 5000])
def test_a_damaged_file_makes_no_token_valid_and_a_new_one_can_be_made(
    tmp_path: Path, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    (file := tmp_path / "view_tokens.json").write_text(content)
    tokens = ViewTokens(file, lambda: b"key")
    assert not tokens.matches("front", "")
    assert tokens.digest("front") is None
    made = tokens.make("front")
    assert tokens.matches("front", made)
    assert not tokens.matches("shed", made)
    assert not ViewTokens(file, lambda: b"another").matches("front", made)
    assert caplog.text.count("no view token is valid") <= 1
