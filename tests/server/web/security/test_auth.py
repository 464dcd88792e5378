"""Authentication over real sockets: only the public routes are open."""

import asyncio
import base64
import itertools
import logging
from collections.abc import AsyncIterator, Mapping
from http.cookies import SimpleCookie
from pathlib import Path
from types import SimpleNamespace

import aiohttp
import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.web.application import make_application
from pi_mjpeg_server.web.security import auth, token_throttle
from pi_mjpeg_server.web.security.auth import PUBLIC_ROUTES
from pi_mjpeg_server.web.security.session_cookie import COOKIE_NAME

from tests.server.support.raw_http import send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT", "BREW")
PAGE = {"Accept": "text/html,application/xhtml+xml"}


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script())], needs_token=True) as running:
        await until(lambda: running.server.cameras[0].broadcast.latest is not None)
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    # Without a cookie jar: the tests set cookies themselves.
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
        return {"Cookie": f"{COOKIE_NAME}={response.cookies[COOKIE_NAME].value}"}


def example(path: str) -> str:
    """Fill in the parameters of a route."""
    kept = "front-20261122T100000000Z-9f3a61c2"
    return path.format(camera="front", snapshot=kept, clip=kept, kind="bin", name="page.css")


async def test_only_the_listed_routes_and_methods_are_public(served: Served) -> None:
    application = make_application(served.server, ServerSettings())
    resources = list(application.router.resources())
    assert {resource.name for resource in resources if resource.name} == PUBLIC_ROUTES
    public = {resource.canonical for resource in resources if resource.name}
    paths = {resource.canonical for resource in resources}
    assert len(paths) >= 12
    answers: dict[tuple[str, str], int] = {}
    for path, method in itertools.product({*paths, "/nothing", "/api/"}, METHODS):
        seen, headers, _ = await send_raw(
            served.url, f"{method} {example(path)} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n".encode()
        )
        answers[method, path] = seen
        if path not in public:
            assert seen in {401, 400}, (method, path)
            assert seen == 401 or method in {"CONNECT", "BREW"}, (method, path)
        if seen == 401 and path != "/login":
            assert "www-authenticate" in headers
    opened = {key for key, seen in answers.items() if seen not in {400, 401}}
    # A proof of identity without a nonce is 400, and enrolling needs the token.
    assert {answers[method, "/api/identity"] for method in ("GET", "HEAD")} == {400}
    assert answers["POST", "/api/identity"] == 401
    # What is kept has public URLs, but without its signature it is 404; a login without a form is 415.
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
        ("GET", "/clips/{clip}.{kind}"): 404,
        ("HEAD", "/clips/{clip}.{kind}"): 404,
    }


@pytest.mark.parametrize("path", ["/api/state", "/snapshot.jpg", "/?action=snapshot"])
async def test_the_token_is_accepted_as_bearer_as_basic_password_and_as_cookie(
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


async def test_nothing_else_is_accepted(served: Served, client: aiohttp.ClientSession) -> None:
    right = token(served)
    session = (await cookie(client, served))["Cookie"]
    for wrong in (
        {},
        {"Authorization": right},
        {"Authorization": "Bearer"},
        {"Authorization": "Digest " + right},
        {"Authorization": "Basic !!!"},
        {"Authorization": "Basic /w=="},
        {"Cookie": f"{COOKIE_NAME}={right}"},
        {"Cookie": f"{COOKIE_NAME}="},
        {"Cookie": session[:-1]},
        {"Cookie": f"{COOKIE_NAME}=é"},
    ):
        assert await status(client, served, "/api/state", wrong) == 401, wrong
    assert await status(client, served, f"/api/state?token={right}", {}) == 401


async def test_wrong_tokens_throttle_wrong_tokens_of_their_address_and_nothing_else(
    served: Served, client: aiohttp.ClientSession, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auth, "time", SimpleNamespace(monotonic=lambda: 1000.0))
    session = await cookie(client, served)
    seen = [await status(client, served, "/api/state", bearer(f"wrong-{number}")) for number in range(8)]
    assert caplog.text.count("127.0.0.1 gave too many wrong tokens") == 1
    assert seen == [401] * token_throttle.FREE_ATTEMPTS + [429] * (8 - token_throttle.FREE_ATTEMPTS)
    async with client.get(f"{served.url}/api/state", headers=bearer("wrong")) as response:
        assert response.status == 429
        assert 1 <= int(response.headers["Retry-After"]) <= 2
        # Each further guess costs a new connection.
        assert response.headers["Connection"] == "close"
        assert (await response.json())["error"]["code"] == "too_many_tries"
    # Whoever has the token may have the address of somebody who guesses: behind a router, or in a container.
    for proof in (bearer(token(served)), basic("me", token(served)), session):
        assert await status(client, served, "/api/state", proof) == 200
    await cookie(client, served)
    # The right token does not free whoever guesses at the same address.
    assert await status(client, served, "/api/state", bearer("wrong")) == 429
    connector = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(connector=connector) as other:
        assert await status(other, served, "/api/state", bearer("wrong")) == 401


async def test_one_valid_credential_is_enough_whatever_else_a_browser_remembers(
    served: Served, client: aiohttp.ClientSession
) -> None:
    session = await cookie(client, served)
    for stale in (basic("me", "an old one"), bearer("an old one"), {"Authorization": "Negotiate x"}):
        for _ in range(token_throttle.FREE_ATTEMPTS + 3):
            assert await status(client, served, "/api/state", session | stale) == 200
    for cookies in ("{0}; {1}", "{1}; {0}", 'a=b;{0};{1};c="d;e"'):
        both = {"Cookie": cookies.format(session["Cookie"], f"{COOKIE_NAME}=stale")}
        assert await status(client, served, "/api/state", both) == 200
    for right in (basic("me", token(served)), bearer(token(served))):
        assert await status(client, served, "/api/state", right | {"Cookie": f"{COOKIE_NAME}=stale"}) == 200
    # What was stale was no guess either.
    assert await status(client, served, "/api/state", bearer("wrong")) == 401
    # Not even where the address has to wait for other guesses.
    while await status(client, served, "/api/state", bearer("wrong")) != 429:
        pass
    assert await status(client, served, "/api/state", session | basic("me", "an old one")) == 200


async def test_the_credential_that_was_valid_decides_what_a_page_of_another_origin_may_do(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async def changes(headers: dict[str, str]) -> int:
        return await status(client, served, "/api/cameras/front/snapshots", headers, "POST")

    session, foreign = await cookie(client, served), {"Origin": "http://evil.example"}
    right, wrong = token(served), "an old one"
    # A script that knows the token may do everything; one that sends a wrong one may do what the cookie allows it.
    assert await changes(session | bearer(right) | foreign) == 201
    assert await changes(session | bearer(wrong) | foreign) == 403
    assert await changes(session | bearer(wrong)) == 403
    assert await changes(session | bearer(wrong) | {"Origin": served.url}) == 201
    assert await changes(session | basic("me", right) | foreign) == 403
    assert await changes(session | basic("me", wrong) | {"Origin": served.url}) == 201


async def test_an_old_cookie_is_not_throttled(served: Served, client: aiohttp.ClientSession) -> None:
    for _ in range(20):
        assert await status(client, served, "/api/state", {"Cookie": f"{COOKIE_NAME}={'0' * 64}"}) == 401
    assert await status(client, served, "/api/state", bearer(token(served))) == 200


async def test_the_cookie_is_not_the_token_and_is_hidden_from_scripts_and_other_sites(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with client.post(f"{served.url}/login", data={"token": token(served)}, allow_redirects=False) as response:
        text = response.headers["Set-Cookie"]
    assert token(served) not in text
    morsel = SimpleCookie(text)[COOKIE_NAME]
    assert morsel["httponly"]
    assert morsel["samesite"] == "Lax"
    assert morsel["path"] == "/"
    assert not morsel["secure"]


async def test_rotation_ends_the_old_token_its_cookies_and_its_signed_urls(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    old, session = token(served), await cookie(client, served)
    async with client.post(f"{served.url}/api/cameras/front/snapshots", headers=bearer(old)) as response:
        kept = (await response.json())["url"]
    async with client.get(kept) as response:
        assert response.status == 200
    # As `pi-mjpeg token --rotate` does in another process.
    new = AccessToken(tmp_path / "token").rotate()
    assert await status(client, served, "/api/state", bearer(new)) == 200
    assert await status(client, served, "/api/state", bearer(old)) == 401
    assert await status(client, served, "/api/state", session) == 401
    async with client.get(kept) as response:
        assert response.status == 404


async def test_rotation_ends_the_streams_that_were_opened_with_the_old_token(
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


async def test_a_browser_is_redirected_to_the_login_page_and_a_program_is_told_what_to_send(
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
    # For a script, Basic would make the browser ask for a name and a password.
    async with client.get(f"{served.url}/api/state", headers={"Sec-Fetch-Mode": "cors"}) as response:
        assert response.headers.getall("WWW-Authenticate") == ['Bearer realm="pi-mjpeg"']


async def test_logging_out_deletes_the_cookie(served: Served, client: aiohttp.ClientSession) -> None:
    headers = {**await cookie(client, served), "Origin": served.url}
    async with client.post(f"{served.url}/logout", headers=headers, allow_redirects=False) as response:
        assert response.status == 303
        assert SimpleCookie(response.headers["Set-Cookie"])[COOKIE_NAME]["max-age"] == "0"


async def test_a_change_needs_a_bearer_token_or_a_page_of_the_same_origin(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async def changes(headers: dict[str, str]) -> int:
        return await status(client, served, "/api/cameras/front/snapshots", headers, "POST")

    session, password = await cookie(client, served), basic("me", token(served))
    foreign = {"Origin": "http://evil.example"}
    assert await changes(bearer(token(served)) | foreign) == 201
    assert await changes(password) == 201
    assert await changes(session | {"Origin": served.url}) == 201
    assert await changes(session | {"Sec-Fetch-Site": "same-origin"}) == 201
    for headers in (
        session,
        session | foreign,
        session | {"Origin": "null"},
        session | {"Origin": served.url, "Sec-Fetch-Site": "cross-site"},
        session | {"Sec-Fetch-Site": "same-site"},
        password | foreign,
    ):
        assert await changes(headers) == 403, headers
    data = {"token": token(served)}
    async with client.post(f"{served.url}/login", data=data, headers=foreign, allow_redirects=False) as response:
        assert response.status == 403


async def test_without_auth_a_page_of_another_origin_still_changes_nothing(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        path = "/api/cameras/front/snapshots"
        assert await status(client, served, path, {}, "POST") == 201
        assert await status(client, served, path, {"Origin": "http://evil.example"}, "POST") == 403
        assert await status(client, served, path, {"Origin": served.url}, "POST") == 201


async def test_a_wrong_token_in_the_login_form_is_refused_and_throttled(
    served: Served, client: aiohttp.ClientSession
) -> None:
    seen = []
    for _ in range(token_throttle.FREE_ATTEMPTS + 1):
        async with client.post(f"{served.url}/login", data={"token": "wrong"}, allow_redirects=False) as response:
            seen.append(response.status)
            assert COOKIE_NAME not in response.cookies
    assert seen == [401] * token_throttle.FREE_ATTEMPTS + [429]


async def test_no_token_reaches_a_log_or_an_error(
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
        await send_raw(served.url, f"GET /{secret} HTTP/9.9\r\nAuthorization: Bearer {secret}\r\nX\r\n\r\n".encode())
    assert secret not in caplog.text
