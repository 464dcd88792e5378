"""The server behind nginx and Caddy at a sub-path, with the configuration that the documentation shows."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tooling import cache, proxies
from tooling.network import LOOPBACK, answers, free_ports

from tests.e2e.pictures import size, until_true
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    script = Script(fps=10)
    async with serving(
        tmp_path, [camera(script, linger=5)], needs_token=True, trusted_proxies=("127.0.0.1",)
    ) as running:
        await until(lambda: script.frames > 0)
        yield running


@pytest_asyncio.fixture(loop_scope="session", params=[proxies.nginx, proxies.caddy], ids=["nginx", "caddy"])
async def proxied(request: pytest.FixtureRequest, served: Served, tmp_path: Path) -> AsyncIterator[str]:
    """The URL of the server behind a proxy."""
    (port,) = free_ports(0)
    proxy = request.param(tmp_path / "proxy", port, served.url.removeprefix("http://"))
    proxy.start()
    try:
        await proxy.wait_until(lambda: answers(LOOPBACK, port), 20)
        yield f"http://{LOOPBACK}:{port}/pi"
    finally:
        proxy.stop()


async def test_streams_snapshots_and_urls_work_through_the_proxy(served: Served, proxied: str) -> None:
    assert served.server.token is not None
    bearer = {"Authorization": f"Bearer {served.server.token.value}"}
    elsewhere = aiohttp.TCPConnector(local_addr=("127.0.0.9", 0))
    async with aiohttp.ClientSession(headers=bearer, connector=elsewhere) as client:
        async with client.get(f"{proxied}/api/state") as response:
            state = await response.json()
        stream = state["cameras"][0]["stream_url"]
        assert stream == f"{proxied}/cameras/front/stream"
        async with client.get(stream, headers={"X-Forwarded-For": "203.0.113.9"}) as response:
            reader = aiohttp.MultipartReader.from_response(response)
            for _ in range(5):
                part = await reader.next()
                assert isinstance(part, aiohttp.BodyPartReader)
                assert size(bytes(await part.read())) == (64, 48)
            # The client's own header is ignored: the nearest address that is not a trusted proxy counts.
            assert [viewer.address for viewer in served.server.cameras[0].viewers] == ["127.0.0.9"]
        async with client.post(f"{proxied}/api/cameras/front/snapshots") as response:
            kept = (await response.json())["url"]
        assert kept.startswith(f"{proxied}/snapshots/")
    async with aiohttp.ClientSession() as anonymous, anonymous.get(kept) as response:
        assert size(await response.read()) == (64, 48)
    await until(lambda: not served.server.viewers)


async def test_a_foreign_host_name_is_refused_also_with_x_forwarded_host(proxied: str) -> None:
    headers = {"Host": "evil.example", "X-Forwarded-Host": "localhost"}
    async with aiohttp.ClientSession(headers=headers) as client, client.get(f"{proxied}/healthz") as response:
        # Caddy refuses names other than its sites' itself.
        assert response.status == 421 or await response.read() == b""


async def test_login_stream_and_snapshot_in_a_browser(served: Served, proxied: str, browser: Browser) -> None:
    page = await browser.new_page()
    page.set_default_timeout(15_000)
    try:
        # Without the slash at the end, as people type it.
        await page.goto(proxied)
        assert page.url == f"{proxied}/login"
        assert served.server.token is not None
        await page.fill("#token", served.server.token.value)
        await page.keyboard.press("Enter")
        await page.wait_for_url(f"{proxied}/")
        await until_true(page, "document.querySelector('.picture img')?.naturalWidth > 0")
        await page.get_by_role("button", name="Take a snapshot").click()
        link = page.get_by_role("link", name="Download")
        await link.wait_for()
        address = await link.evaluate("link => link.href")
        assert address.startswith(f"{proxied}/snapshots/")
    finally:
        await page.close()


async def test_the_documentation_shows_the_tested_configuration() -> None:
    text = (cache.ROOT / "docs/proxies.md").read_text()
    assert proxies.NGINX in text
    assert proxies.CADDY in text
