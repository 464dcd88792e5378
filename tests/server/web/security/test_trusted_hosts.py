"""The host names under which the server answers, and those that are refused."""

from pathlib import Path

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.web.security.trusted_hosts import InvalidHostError, TrustedHosts, UnknownHostError
from pi_mjpeg_server.web.security.trusted_proxies import TrustedProxies

from tests.server.support.raw_http import parse_error, send_raw
from tests.server.support.scripted_camera import Script, camera, serving

PROXY = "10.0.0.2"
LOCAL = "192.0.2.9:8000"
SETTINGS = ServerSettings(
    hosts=("garden",), public_url="https://camera.example.org/pi", trusted_proxies=("10.0.0.0/24", "::1")
)


def checked_host(remote: str, *pairs: tuple[str, str]) -> str:
    """Return the host of a request with these headers, after checking it."""
    headers = CIMultiDictProxy(CIMultiDict(pairs))
    host = TrustedProxies(SETTINGS.trusted_proxies).origin(remote, "http", LOCAL, headers).host
    TrustedHosts.from_settings(SETTINGS).check(host)
    return host


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
def test_the_servers_names_private_names_and_addresses_are_trusted(host: str) -> None:
    assert checked_host("192.0.2.1", ("Host", host)) == host


def test_without_a_host_header_the_address_of_the_socket_is_trusted() -> None:
    assert checked_host("192.0.2.1") == LOCAL


@pytest.mark.parametrize(
    "host", ["evil.example", "garden.evil.example", "local", "evil.example:8000", "localhost.evil"]
)
def test_a_name_that_an_attacker_can_point_here_is_refused(host: str) -> None:
    with pytest.raises(UnknownHostError):
        checked_host("192.0.2.1", ("Host", host))
    with pytest.raises(UnknownHostError):
        checked_host(PROXY, ("Host", "garden"), ("X-Forwarded-Host", host))


@pytest.mark.parametrize("host", ["a b", "[::1", "x:99999", "garden/../x"])
def test_a_host_header_without_a_host_is_refused(host: str) -> None:
    with pytest.raises(InvalidHostError):
        checked_host(PROXY, ("Host", host))


async def test_an_unknown_name_gets_nothing_not_even_the_login_page(tmp_path: Path) -> None:
    settings = {"hosts": ("pi.example",), "trusted_proxies": ("127.0.0.1",)}
    async with serving(tmp_path, [camera(Script())], needs_token=True, **settings) as served:
        for path in ("/", "/healthz", "/login", "/stream"):
            for headers in ("Host: evil.example", "Host: pi.example\r\nX-Forwarded-Host: evil.example"):
                status, _, body = await send_raw(served.url, f"GET {path} HTTP/1.1\r\n{headers}\r\n\r\n".encode())
                assert status == 421
                assert "hosts in [server]" in parse_error(body)["message"]
        assert (await send_raw(served.url, b"GET /healthz HTTP/1.1\r\nHost: pi.example\r\n\r\n"))[0] == 200
