"""Dashboards never look like failed logins, which Home Assistant answers with a ban of the address."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from http import HTTPStatus

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Error
from tooling.errors import ScriptError
from tooling.hass_client import until
from tooling.network import LOOPBACK, free_ports
from tooling.stack import Stack, StackSettings, running_stack

from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.dashboards import LIVE, open_dashboard

pytestmark = pytest.mark.asyncio(loop_scope="session")

_CARDS = 3
"""Of each kind: live ones, and ones with a still that is renewed every ten seconds."""

_RELOADS = 5


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def strict_stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """Home Assistant bans an address after three failed logins."""
    ports = free_ports(0, 0, 0)
    settings = StackSettings(
        folder=tmp_path_factory.mktemp("strict-stack"),
        server_port=ports[0],
        home_assistant_port=ports[1],
        broker=(LOOPBACK, ports[2]),
        http={"ip_ban_enabled": True, "login_attempts_threshold": 3},
    )
    async with running_stack(settings, ENVIRONMENT) as running:
        yield running


def _failed_logins(stack: Stack) -> list[str]:
    lines = stack.home_assistant.log.read_text().splitlines()
    return [line for line in lines if "invalid authentication" in line or "Banned" in line]


async def _ask_with_former_tokens(stack: Stack) -> set[int]:
    """Ask for pictures as a page does that was left open, until cancelled. Return the statuses of all answers."""
    image = stack.camera.replace("camera.", "image.") + "_last_snapshot"
    paths = (f"camera_proxy/{stack.camera}", f"camera_proxy_stream/{stack.camera}", f"image_proxy/{image}")
    statuses: set[int] = set()
    async with aiohttp.ClientSession() as session:
        with contextlib.suppress(asyncio.CancelledError):
            while True:
                for path in paths:
                    url = f"{stack.client.url}/api/{path}?token=0123456789abcdef"
                    # While Home Assistant starts, nothing listens.
                    with contextlib.suppress(aiohttp.ClientError):
                        async with session.get(url) as response:
                            statuses.add(response.status)
                await asyncio.sleep(0.01)
    return statuses


async def _is_loaded(stack: Stack) -> bool:
    try:
        return bool(await stack.client.state(stack.camera))
    except (aiohttp.ClientError, ScriptError):
        return False


async def test_reloads_and_a_pi_that_is_off_are_no_failed_logins(strict_stack: Stack, browser: Browser) -> None:
    stack = strict_stack
    cards = [
        {"type": "picture-entity", "entity": stack.camera, "camera_view": view}
        for view in ("live", "auto")
        for _ in range(_CARDS)
    ]
    views = [{"title": "Pi cameras", "path": "live", "cards": cards}]
    await stack.client.command("lovelace/config/save", url_path="pi-cameras", config={"views": views})
    (entry,) = await stack.client.command("config_entries/get", domain="pi_mjpeg")
    page = await open_dashboard(browser, stack)
    try:
        live = page.locator(LIVE)

        async def all_live() -> bool:
            try:
                widths = await live.evaluate_all("images => images.map(image => image.naturalWidth)")
            except Error:
                return False  # The page is being loaded.
            return len(widths) == _CARDS and all(widths)

        await until(all_live, "all cards show a picture", 60)
        visitor = asyncio.create_task(_ask_with_former_tokens(stack))
        for _ in range(_RELOADS):
            await stack.client.post(f"/api/config/config_entries/entry/{entry['entry_id']}/reload", {})
            await asyncio.sleep(1)
        visitor.cancel()
        assert await visitor == {HTTPStatus.FORBIDDEN}
        await until(all_live, "all cards show a picture again")
        stack.server.stop()
        await asyncio.to_thread(stack.home_assistant.stop)
        await stack.home_assistant.start_and_wait()
        # Until it loads us, Home Assistant answers as it does for any camera.
        await until(lambda: _is_loaded(stack), "the component is loaded", 60)
        visitor = asyncio.create_task(_ask_with_former_tokens(stack))
        await asyncio.sleep(5)
        visitor.cancel()
        assert await visitor == {HTTPStatus.FORBIDDEN}
        await stack.server.start_and_wait()
        await until(all_live, "all cards show a picture after the Pi came back", 120)
    finally:
        await page.context.close()
    assert _failed_logins(stack) == []
