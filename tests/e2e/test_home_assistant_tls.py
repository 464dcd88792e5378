"""A Home Assistant with a certificate of its own, and what its viewers mean for its stop."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from tooling.hass_client import until
from tooling.network import LOOPBACK, free_ports
from tooling.stack import Stack, StackSettings, running_stack

from tests.e2e.certificates import make_certificate
from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.dashboards import LIVE, open_dashboard
from tests.e2e.pictures import pixels
from tests.e2e.recordings import record

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def tls_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Home Assistant speaks only TLS, and listens on one address."""
    ports = free_ports(0, 0, 0)
    folder = tmp_path_factory.mktemp("tls-stack")
    certificate = make_certificate(folder)
    settings = StackSettings(
        folder=folder,
        server_port=ports[0],
        home_assistant_port=ports[1],
        broker=(LOOPBACK, ports[2]),
        http={"ssl_certificate": str(certificate.chain), "ssl_key": str(certificate.key)},
        authority=certificate.authority,
    )
    async with running_stack(settings, ENVIRONMENT) as running:
        yield running


async def test_the_live_picture_moves_for_twenty_seconds(tls_stack: Stack, browser: Browser) -> None:
    page = await open_dashboard(browser, tls_stack)
    try:
        live = page.locator(LIVE)
        await live.wait_for()
        await until(lambda: live.evaluate("image => image.naturalWidth"), "the first picture is painted")
        seen = []
        for _ in range(20):
            seen.append(await pixels(live))
            await asyncio.sleep(1)
        assert len(set(seen)) == len(seen)
    finally:
        await page.context.close()


async def test_a_recording_works(tls_stack: Stack) -> None:
    assert (await record(tls_stack, "tls-only.mp4")).frames > 20


async def _stop(stack: Stack) -> float:
    """Stop Home Assistant and return the seconds that it took."""
    began = time.monotonic()
    await asyncio.to_thread(stack.home_assistant.stop, 60)
    assert stack.home_assistant.stopped_cleanly
    return time.monotonic() - began


async def test_open_live_views_do_not_delay_the_stop(tls_stack: Stack) -> None:
    without_viewers = await _stop(tls_stack)
    await tls_stack.home_assistant.start_and_wait()

    async def available() -> bool:
        config = await tls_stack.client.get("/api/config")
        return config["state"] == "RUNNING" and await tls_stack.client.state(tls_stack.camera) in {"idle", "streaming"}

    await until(available, "the camera is available again")
    url = f"{tls_stack.client.url}/api/camera_proxy_stream/{tls_stack.camera}"
    responses = [await tls_stack.client.session.get(url) for _ in range(3)]
    # The third takes nothing, so that its connection is full.
    readers = [asyncio.create_task(response.read()) for response in responses[:2]]
    await asyncio.sleep(5)
    with_viewers = await _stop(tls_stack)
    await asyncio.gather(*readers, return_exceptions=True)
    responses[2].close()
    assert with_viewers < without_viewers + 1
