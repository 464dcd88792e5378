"""Who asks and whom they meant: names, proxies and what strangers write into headers."""

from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pi_mjpeg_server.web.security.proxy_headers import (
    RequestOrigin,
    RequestOriginError,
    UnknownHostError,
    trusted_hosts,
)

from tests.server.support.raw_http import error_of, said
from tests.server.support.scripted_camera import Script, camera, serving

PROXY = "10.0.0.2"
LOCAL = "192.0.2.9:8000"


def headers(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


def peer(remote: str, *pairs: tuple[str, str], trusted: tuple[str, ...] = ("10.0.0.0/24", "::1")) -> RequestOrigin:
    known = trusted_hosts(["garden"], "https://camera.example.org/pi", trusted)
    return known.peer(remote, "http", LOCAL, headers(*pairs))


FORWARDED = (
    ("Host", "upstream.local"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "camera.example.org"),
    ("X-Forwarded-Prefix", "/pi/"),
)


def test_a_trusted_proxy_tells_who_asks_and_by_which_address() -> None:
    seen = peer(PROXY, *FORWARDED)
    assert seen == RequestOrigin("203.0.113.7", "https", "camera.example.org", "/pi")
    assert seen.base == "https://camera.example.org/pi"
    assert seen.origin == "https://camera.example.org"


def test_a_strangers_word_about_itself_counts_for_nothing() -> None:
    assert peer("192.0.2.1", *FORWARDED) == RequestOrigin("192.0.2.1", "http", "upstream.local")
    assert peer(PROXY, *FORWARDED, trusted=()) == RequestOrigin(PROXY, "http", "upstream.local")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.3", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        # As a proxy writes it that listens on a socket for both versions of IP.
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, ::ffff:10.0.0.3", "203.0.113.7"),
        ("10.0.0.3", "10.0.0.3"),
        ("nonsense, 10.0.0.3", "10.0.0.3"),
        ("203.0.113.7, nonsense", PROXY),
        ("", PROXY),
    ],
)
def test_the_client_is_the_nearest_address_that_is_no_proxy_of_ours(forwarded: str, address: str) -> None:
    assert peer(PROXY, ("Host", "garden"), ("X-Forwarded-For", forwarded)).address == address


@pytest.mark.parametrize(
    "host",
    [
        "garden",
        "GARDEN:8000",
        "camera.example.org",
        "localhost:8000",
        "garden.local",
        "anything.local.",
        "pi.home.arpa",
        "192.0.2.1",
        "203.0.113.200:80",
        "[2001:db8::1]:8000",
        "[::1]",
    ],
)
def test_a_name_that_is_ours_or_no_name_at_all_is_served(host: str) -> None:
    assert peer("192.0.2.1", ("Host", host)).host == host


def test_without_a_host_header_it_is_the_address_of_the_socket() -> None:
    assert peer("192.0.2.1").host == LOCAL


@pytest.mark.parametrize(
    "host", ["evil.example", "garden.evil.example", "local", "evil.example:8000", "localhost.evil"]
)
def test_a_name_that_a_stranger_pointed_here_is_refused(host: str) -> None:
    with pytest.raises(UnknownHostError):
        peer("192.0.2.1", ("Host", host))
    with pytest.raises(UnknownHostError):
        peer(PROXY, ("Host", "garden"), ("X-Forwarded-Host", host))


@pytest.mark.parametrize(
    "pairs",
    [
        (("Host", "a b"),),
        (("Host", "[::1"),),
        (("Host", "x:99999"),),
        (("Host", "garden/../x"),),
        (("Host", "garden"), ("Host", "garden")),
        (("Host", "garden"), ("X-Forwarded-Proto", "javascript")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "//evil.example")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "/a\r\nSet-Cookie: x")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "/; path=/")),
    ],
)
def test_what_makes_no_sense_is_refused(pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(RequestOriginError):
        peer(PROXY, *pairs)


async def test_a_rebound_name_gets_nothing_not_even_the_login_page(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], locked=True, hosts=("pi.example",)) as served:
        for path in ("/", "/healthz", "/login", "/stream"):
            status, _, body = await said(served.url, f"GET {path} HTTP/1.1\r\nHost: evil.example\r\n\r\n".encode())
            assert status == 421
            assert "hosts in [server]" in error_of(body)["message"]
        assert (await said(served.url, b"GET /healthz HTTP/1.1\r\nHost: pi.example\r\n\r\n"))[0] == 200


async def test_behind_a_proxy_at_a_sub_path_urls_and_cookies_are_the_proxys(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, [camera(Script())], locked=True, trusted_proxies=("127.0.0.1",)) as served,
        aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as client,
    ):
        forwarded = {
            "X-Forwarded-For": "203.0.113.7",
            "X-Forwarded-Proto": "https",
            "X-Forwarded-Host": "pi.local",
            "X-Forwarded-Prefix": "/pi",
            "Origin": "https://pi.local",
        }
        assert served.server.token is not None
        async with client.post(
            f"{served.url}/login",
            data={"token": served.server.token.value},
            headers=forwarded,
            allow_redirects=False,
        ) as response:
            assert response.status == 303
            cookie = response.cookies["pi_mjpeg_session"]
        assert cookie["path"] == "/pi/"
        assert cookie["secure"]
        proof = forwarded | {"Cookie": f"{cookie.key}={cookie.value}"}
        async with client.get(f"{served.url}/api/state", headers=proof) as response:
            state = await response.json()
        assert state["cameras"][0]["stream_url"] == "https://pi.local/pi/cameras/front/stream"
        async with client.post(f"{served.url}/api/cameras/front/snapshots", headers=proof) as response:
            kept = await response.json()
        assert kept["url"].startswith("https://pi.local/pi/snapshots/front-")
        async with client.get(kept["url"].replace("https://pi.local/pi", served.url)) as response:
            assert response.status == 200
        async with client.get(f"{served.url}/stream", headers=proof) as response:
            assert response.status == 200
            assert [viewer.address for viewer in served.server.cameras[0].viewers] == ["203.0.113.7"]
