"""Who sent a request and which URL they used, with and without a proxy, whatever is written into the headers."""

from pathlib import Path

import aiohttp
import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pi_mjpeg_server.web.security.trusted_proxies import ProxyHeaderError, RequestOrigin, TrustedProxies

from tests.server.support.scripted_camera import Script, camera, serving

PROXY = "10.0.0.2"
LOCAL = "192.0.2.9:8000"
FORWARDED = (
    ("Host", "upstream.local"),
    ("X-Forwarded-For", "203.0.113.7"),
    ("X-Forwarded-Proto", "https"),
    ("X-Forwarded-Host", "camera.example.org"),
    ("X-Forwarded-Prefix", "/pi/"),
)


def origin(remote: str, *pairs: tuple[str, str], trusted: tuple[str, ...] = ("10.0.0.0/24", "::1")) -> RequestOrigin:
    """Return the origin of a request with these headers that comes from `remote`."""
    return TrustedProxies(trusted).origin(remote, "http", LOCAL, CIMultiDictProxy(CIMultiDict(pairs)))


def test_a_trusted_proxy_says_who_the_client_is_and_which_url_it_used() -> None:
    seen = origin(PROXY, *FORWARDED)
    assert seen == RequestOrigin("203.0.113.7", "https", "camera.example.org", "/pi")
    assert seen.base_url == "https://camera.example.org/pi"
    assert seen.origin == "https://camera.example.org"


def test_the_headers_of_any_other_client_are_ignored() -> None:
    assert origin("192.0.2.1", *FORWARDED) == RequestOrigin("192.0.2.1", "http", "upstream.local")
    assert origin(PROXY, *FORWARDED, trusted=()) == RequestOrigin(PROXY, "http", "upstream.local")


@pytest.mark.parametrize(
    ("forwarded", "address"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("198.51.100.1, 203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, 10.0.0.3", "203.0.113.7"),
        ("2001:db8::1", "2001:db8::1"),
        # As a proxy that listens on a dual-stack socket writes it.
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("203.0.113.7, ::ffff:10.0.0.3", "203.0.113.7"),
        ("10.0.0.3", "10.0.0.3"),
        ("nonsense, 10.0.0.3", "10.0.0.3"),
        ("203.0.113.7, nonsense", PROXY),
        ("", PROXY),
    ],
)
def test_the_client_is_the_nearest_address_that_is_not_a_trusted_proxy(forwarded: str, address: str) -> None:
    assert origin(PROXY, ("Host", "garden"), ("X-Forwarded-For", forwarded)).client_ip == address


def test_without_a_host_header_the_host_is_the_address_of_the_socket() -> None:
    assert origin("192.0.2.1").host == LOCAL


@pytest.mark.parametrize(
    "pairs",
    [
        (("Host", "garden"), ("Host", "garden")),
        (("Host", "garden"), ("X-Forwarded-Proto", "javascript")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "//evil.example")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "/a\r\nSet-Cookie: x")),
        (("Host", "garden"), ("X-Forwarded-Prefix", "/; path=/")),
    ],
)
def test_headers_that_contradict_each_other_or_are_malformed_are_refused(pairs: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(ProxyHeaderError):
        origin(PROXY, *pairs)


async def test_behind_a_proxy_with_a_path_prefix_urls_and_cookies_have_the_prefix(tmp_path: Path) -> None:
    async with (
        serving(tmp_path, [camera(Script())], needs_token=True, trusted_proxies=("127.0.0.1",)) as served,
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
        credentials = forwarded | {"Cookie": f"{cookie.key}={cookie.value}"}
        async with client.get(f"{served.url}/api/state", headers=credentials) as response:
            state = await response.json()
        assert state["cameras"][0]["stream_url"] == "https://pi.local/pi/cameras/front/stream"
        async with client.post(f"{served.url}/api/cameras/front/snapshots", headers=credentials) as response:
            kept = await response.json()
        assert kept["url"].startswith("https://pi.local/pi/snapshots/front-")
        async with client.get(kept["url"].replace("https://pi.local/pi", served.url)) as response:
            assert response.status == 200
        async with client.get(f"{served.url}/stream", headers=credentials) as response:
            assert response.status == 200
            assert [viewer.address for viewer in served.server.cameras[0].viewers] == ["203.0.113.7"]
