"""The lock over real sockets: nothing is open that should not be."""

import asyncio
import base64
import itertools
import logging
import os
from collections.abc import AsyncIterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.storage.access_token import AccessToken, TokenError, new_token
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.security import throttle
from pi_mjpeg_server.web.security.auth import COOKIE, PUBLIC
from pi_mjpeg_server.web.security.proxy_headers import TrustedHosts
from pi_mjpeg_server.web.security.viewer_limits import Limits

from tests.server.support.raw_http import said
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script())], locked=True) as running:
        await until(lambda: running.server.cameras[0].broadcast.latest is not None)
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    # Cookies are told by hand, and nothing is followed: what the server says is what is tested.
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
        yield session


def token(served: Served) -> str:
    assert served.server.token is not None
    return served.server.token.value


def bearer(given: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {given}"}


def basic(user: str, password: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


async def status(
    client: aiohttp.ClientSession, served: Served, path: str, headers: Mapping[str, str], method: str = "GET"
) -> int:
    async with client.request(method, served.url + path, headers=headers, allow_redirects=False) as response:
        return response.status


async def cookie(client: aiohttp.ClientSession, served: Served) -> dict[str, str]:
    async with client.post(f"{served.url}/login", data={"token": token(served)}, allow_redirects=False) as response:
        assert response.status == 303
        assert response.headers["Location"] == "./"
        return {"Cookie": f"{COOKIE}={response.cookies[COOKIE].value}"}


def example(path: str) -> str:
    """Fill a route's blanks."""
    return path.format(camera="front", snapshot="front-20261122T100000000Z-9f3a61c2", name="page.css")


async def test_no_route_and_no_method_is_open_but_those_on_the_list(served: Served) -> None:
    application = make_application(served.server, Limits(), TrustedHosts())
    resources = list(application.router.resources())
    assert {resource.name for resource in resources if resource.name} == PUBLIC
    paths = {resource.canonical: resource.name for resource in resources}
    assert len(paths) >= 12
    answers: dict[tuple[str, str], int] = {}
    for (path, name), method in itertools.product({**paths, "/nothing": None, "/api/": None}.items(), METHODS):
        seen, headers, _ = await said(
            served.url, f"{method} {example(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answers[method, path] = seen
        if name is None:
            assert seen in {401, 400}, (method, path)
            assert seen == 401 or method in {"CONNECT", "BREW"}, (method, path)
        if seen == 401 and path != "/login":
            assert "www-authenticate" in headers
    opened = {key for key, seen in answers.items() if seen not in {400, 401}}
    # A kept snapshot's URL is public, but without its signature there is nothing there; a login without a form is 415.
    assert {key: answers[key] for key in opened} == {
        ("GET", "/healthz"): 200,
        ("HEAD", "/healthz"): 200,
        ("GET", "/login"): 200,
        ("HEAD", "/login"): 200,
        ("POST", "/login"): 415,
        ("GET", "/static/{name}"): 200,
        ("HEAD", "/static/{name}"): 200,
        ("GET", "/snapshots/{snapshot}.jpg"): 404,
        ("HEAD", "/snapshots/{snapshot}.jpg"): 404,
    }


@pytest.mark.parametrize("path", ["/api/state", "/snapshot.jpg", "/?action=snapshot"])
async def test_the_token_opens_as_bearer_as_basic_password_and_as_cookie(
    served: Served, client: aiohttp.ClientSession, path: str
) -> None:
    for proof in (
        bearer(token(served)),
        {"Authorization": f"bearer  {token(served)}"},
        basic("anybody", token(served)),
        basic("", token(served)),
        await cookie(client, served),
    ):
        assert await status(client, served, path, proof) == 200


async def test_nothing_like_the_token_opens(served: Served, client: aiohttp.ClientSession) -> None:
    right = token(served)
    session = (await cookie(client, served))["Cookie"]
    for wrong in (
        {},
        {"Authorization": right},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest " + right},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /w=="},
        {"Cookie": f"{COOKIE}={right}"},
        {"Cookie": f"{COOKIE}="},
        {"Cookie": session[:-1]},
        {"Cookie": f"{COOKIE}=é"},
    ):
        assert await status(client, served, "/api/state", wrong) == 401, wrong
    assert await status(client, served, f"/api/state?token={right}", {}) == 401


async def test_wrong_tokens_cost_their_address_a_wait_and_cookies_and_others_pay_nothing(
    served: Served, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    session = await cookie(client, served)
    seen = [await status(client, served, "/api/state", bearer(f"wrong-{number}")) for number in range(8)]
    assert caplog.text.count("127.0.0.1 gave too many wrong tokens") == 1
    assert seen == [401] * throttle.FREE_TRIES + [429] * (8 - throttle.FREE_TRIES)
    async with client.get(f"{served.url}/api/state", headers=bearer(token(served))) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 2
        assert (await response.json())["error"]["code"] == "too_many_tries"
    assert await status(client, served, "/api/state", session) == 200
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(connector=connector) as other:
        assert await status(other, served, "/api/state", bearer(token(served))) == 200


async def test_an_old_cookie_costs_no_wait(served: Served, client: aiohttp.ClientSession) -> None:
    for _ in range(20):
        assert await status(client, served, "/api/state", {"Cookie": f"{COOKIE}={'0' * 64}"}) == 401
    assert await status(client, served, "/api/state", bearer(token(served))) == 200


async def test_the_cookie_is_not_the_token_and_no_script_or_other_site_gets_it(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{served.url}/login", data={"token": token(served)}, allow_redirects=False) as response:
        text = response.headers["Set-Cookie"]
    assert token(served) not in text
    morsel = SimpleCookie(text)[COOKIE]
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert morsel["path"] == "/"
    assert not morsel["secure"]


async def test_a_new_token_ends_the_old_one_and_its_cookies_and_its_signed_urls(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    old, session = token(served), await cookie(client, served)
    async with client.post(f"{served.url}/api/cameras/front/snapshots", headers=bearer(old)) as response:
        kept = (await response.json())["url"]
    async with client.get(kept) as response:
        assert response.status == 200
    # As `pi-mjpeg token --rotate` does in a process of its own.
    new = AccessToken(tmp_path / "token").rotate()
    assert await status(client, served, "/api/state", bearer(new)) == 200
    assert await status(client, served, "/api/state", bearer(old)) == 401
    assert await status(client, served, "/api/state", session) == 401
    async with client.get(kept) as response:
        assert response.status == 404


async def test_a_new_token_ends_the_pictures_that_were_opened_with_the_old_one(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    for by_cookie in (False, True):
        proof = await cookie(client, served) if by_cookie else bearer(token(served))
        async with client.get(f"{served.url}/stream", headers=proof) as response:
            for _ in range(3):
                await response.content.readuntil(b"\r\n--frame\r\n")
            AccessToken(tmp_path / "token").rotate()
            async with asyncio.timeout(5):
                while await response.content.readany():
                    pass
        await until(lambda: not served.server.viewers)


async def test_a_person_is_sent_to_the_login_page_and_a_program_is_told_what_to_send(
    served: Served, client: aiohttp.ClientSession
) -> None:
    for path, login in (("/", "login"), ("/cameras/front/stream", "../../login")):
        async with client.get(served.url + path, headers=PAGE, allow_redirects=False) as response:
            assert response.status == 303
            assert response.headers["Location"] == login
    async with client.get(f"{served.url}/stream") as response:
        assert response.headers.getall("WWW-Authenticate") == [
            'Bearer realm="pi-mjpeg"',
            'Basic realm="pi-mjpeg", charset="UTF-8"',
        ]
        assert (await response.json())["error"]["code"] == "unauthorised"
    # A browser's script would make it ask for a name and a password.
    async with client.get(f"{served.url}/api/state", headers={"Sec-Fetch-Mode": "cors"}) as response:
        assert response.headers.getall("WWW-Authenticate") == ['Bearer realm="pi-mjpeg"']


async def test_leaving_takes_the_cookie_back(served: Served, client: aiohttp.ClientSession) -> None:
    headers = {**await cookie(client, served), "Origin": served.url}
    async with client.post(f"{served.url}/logout", headers=headers, allow_redirects=False) as response:
        assert response.status == 303
        assert SimpleCookie(response.headers["Set-Cookie"])[COOKIE]["max-age"] == "0"


async def test_what_changes_something_needs_a_header_or_a_page_of_ours(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async def changes(headers: dict[str, str]) -> int:
        return await status(client, served, "/api/cameras/front/snapshots", headers, "POST")

    session, password = await cookie(client, served), basic("me", token(served))
    evil = {"Origin": "http://evil.example"}
    assert await changes(bearer(token(served)) | evil) == 201
    assert await changes(password) == 201
    assert await changes(session | {"Origin": served.url}) == 201
    assert await changes(session | {"Sec-Fetch-Site": "same-origin"}) == 201
    for foreign in (
        session,
        session | evil,
        session | {"Origin": "null"},
        session | {"Origin": served.url, "Sec-Fetch-Site": "cross-site"},
        session | {"Sec-Fetch-Site": "same-site"},
        password | evil,
    ):
        assert await changes(foreign) == 403, foreign
    data = {"token": token(served)}
    async with client.post(f"{served.url}/login", data=data, headers=evil, allow_redirects=False) as response:
        assert response.status == 403


async def test_without_auth_a_strange_page_still_changes_nothing(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        path = "/api/cameras/front/snapshots"
        assert await status(client, served, path, {}, "POST") == 201
        assert await status(client, served, path, {"Origin": "http://evil.example"}, "POST") == 403
        assert await status(client, served, path, {"Origin": served.url}, "POST") == 201


async def test_a_wrong_token_in_the_form_is_told_and_throttled(served: Served, client: aiohttp.ClientSession) -> None:
    seen = []
    for _ in range(throttle.FREE_TRIES + 1):
        async with client.post(f"{served.url}/login", data={"token": "wrong"}, allow_redirects=False) as response:
            seen.append(response.status)
            assert COOKIE not in response.cookies
    assert seen == [401] * throttle.FREE_TRIES + [429]


async def test_no_secret_reaches_a_log_or_an_error(
    served: Served, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture
) -> None:
    secret = token(served)
    with caplog.at_level(logging.DEBUG):
        for path in ("/nothing", "/api/state", "/snapshot.jpg?width=x", "/cameras/nobody/stream"):
            for headers in (bearer(secret), basic("me", secret)):
                async with client.get(f"{served.url}{path}&sig={secret}", headers=headers) as response:
                    assert secret not in (await response.text())
        async with client.post(f"{served.url}/login", data={"token": secret + "x"}) as response:
            assert secret not in await response.text()
        await said(served.url, f"GET /{secret} HTTP/9.9\r\nAuthorization: Bearer {secret}\r\nX\r\n\r\n".encode())
    assert secret not in caplog.text


def test_the_token_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "token"
    first = AccessToken(path)
    assert AccessToken(path).value == first.value
    assert len(first.value) >= 32
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    AccessToken(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["token"]


@pytest.mark.parametrize("text", ["", "short", "x" * 129, "two words that are long enough", "é" * 20, "\xff" * 20])
def test_a_file_without_a_token_is_refused_and_a_running_server_keeps_its_own(tmp_path: Path, text: str) -> None:
    path = tmp_path / "token"
    running = AccessToken(path)
    known = running.value
    path.write_text(text)
    with pytest.raises(TokenError, match="pi-mjpeg token --rotate"):
        AccessToken(path)
    assert running.value == known
    assert not running.matches(text)
    path.unlink()
    assert running.matches(known)


def test_keys_are_of_their_purpose_and_of_the_token(tmp_path: Path) -> None:
    held = AccessToken(tmp_path / "token")
    one = held.key("one")
    assert len(one) == 32
    assert one != held.key("two")
    assert held.value.encode() not in one
    held.rotate()
    assert one != held.key("one")


def test_the_waits_double_end_and_are_forgotten() -> None:
    throttled = throttle.Throttle()
    waits = []
    now = 1000.0
    for _ in range(14):
        throttled.wrong("192.0.2.1", now)
        waits.append(throttled.wait("192.0.2.1", now))
        now += waits[-1]
    assert waits == [0, 0, 0, 0, 1, 2, 4, 8, 16, 32, 60, 60, 60, 60]
    assert throttled.wait("192.0.2.2", now) == 0
    throttled.right("192.0.2.1")
    throttled.wrong("192.0.2.1", now)
    assert throttled.wait("192.0.2.1", now) == 0
    for number in range(5):
        throttled.wrong(f"2001:db8::{number}", now)
    assert throttled.wait("2001:db8::ffff", now) > 0
    assert throttled.wait("2001:db8:0:1::1", now) == 0
    for _ in range(5):
        throttled.wrong("::ffff:192.0.2.5", now)
    assert throttled.wait("192.0.2.5", now) > 0
    assert throttled.wait("::ffff:192.0.2.6", now) == 0
    for number in range(5000):
        throttled.wrong(f"10.0.{number // 256}.{number % 256}", now)
    assert throttled.wait("2001:db8::1", now) == 0


def test_a_token_that_root_rotates_stays_readable_for_the_service(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    held = AccessToken(folder / "token")
    # Only root can have a service with a user of its own.
    service = 65534 if os.geteuid() == 0 else os.geteuid()
    os.chown(folder, service, -1)
    new = new_token(folder / "token")
    assert ((folder / "token").stat().st_uid, held.value) == (service, new)
