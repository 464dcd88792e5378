"""Fixtures with real processes: a broker, a server, a Home Assistant and a browser."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from tooling.network import LOOPBACK, free_ports
from tooling.programs import playwright_environment, program
from tooling.server import Server, ServerSettings
from tooling.stack import Stack, StackSettings, running_stack

from tests.server.support.scripted_camera import Script, Served, camera, serving, until

ENVIRONMENT = Path(sys.prefix)
UNPLUGGED = "/dev/video0 is not there: unplugged?"

# Chromium needs --no-sandbox to run as root. The other flags keep it from contacting Google's hosts.
_CHROMIUM = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stack(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stack]:
    """A broker, a server and a Home Assistant that has discovered the camera, on free ports of the loopback."""
    ports = free_ports(0, 0, 0)
    settings = StackSettings(
        folder=tmp_path_factory.mktemp("stack"),
        server_port=ports[0],
        home_assistant_port=ports[1],
        broker=(LOOPBACK, ports[2]),
    )
    async with running_stack(settings, ENVIRONMENT) as running:
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server without a broker and Home Assistant: its only viewers are those of the test."""
    settings = ServerSettings(port=free_ports(0)[0], flags=("--no-auth", "--linger", "1"))
    server = Server(ENVIRONMENT, tmp_path_factory.mktemp("server"), settings)
    await server.start_and_wait()
    yield server
    server.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> Script:
    """What the camera does that works."""
    return Script(fps=5)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A server in this process with a token, one camera that works and one that does not."""
    cameras = [camera(script, linger=5), camera(Script(fail_open=UNPLUGGED), "shed")]
    async with serving(tmp_path, cameras, needs_token=True) as running:
        await until(lambda: script.frames > 0 and not cameras[1].available)
        yield running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium with an empty profile."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in playwright_environment().items():
            patch.setenv(name, value)
        playwright = await async_playwright().start()
    try:
        browser = await playwright.chromium.launch(executable_path=program("chromium"), args=_CHROMIUM)
        yield browser
        await browser.close()
    finally:
        await playwright.stop()


@pytest_asyncio.fixture(loop_scope="session")
async def page(browser: Browser) -> AsyncIterator[Page]:
    """A page. The test fails if a script raises an error or violates the Content Security Policy."""
    context = await browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(10_000)
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if "Content Security" in message.text else None)
    yield page
    await context.close()
    assert errors == []
