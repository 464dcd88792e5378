"""A whole house for the tests: a real broker, a real server, a real Home Assistant and a real browser."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page, async_playwright
from workbench.house import House, Plan, furnished
from workbench.network import LOOPBACK, free_ports
from workbench.programs import playwright_environment, program
from workbench.server import Server, ServerSettings

ENVIRONMENT = Path(sys.prefix)

# As root Chromium runs only without its sandbox; the others keep it from looking for its maker's hosts.
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
async def house(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    """A house whose Home Assistant has found the camera; its parts listen on loopback, on ports of their own."""
    ports = free_ports(0, 0, 0)
    plan = Plan(
        folder=tmp_path_factory.mktemp("house"),
        server_port=ports[0],
        home_assistant_port=ports[1],
        broker=(LOOPBACK, ports[2]),
    )
    async with furnished(plan, ENVIRONMENT) as house:
        yield house


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def server(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Server]:
    """A server with no house around it: whoever watches it is a test's own viewer."""
    settings = ServerSettings(port=free_ports(0)[0], flags=("--no-auth", "--linger", "1"))
    server = Server(ENVIRONMENT, tmp_path_factory.mktemp("server"), settings)
    await server.start_and_wait()
    yield server
    server.stop()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser() -> AsyncIterator[Browser]:
    """A headless Chromium, with nothing remembered."""
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
    """A page that fails the test when its script does, or when its security policy is broken."""
    context = await browser.new_context(viewport={"width": 1200, "height": 900}, color_scheme="light")
    page = await context.new_page()
    page.set_default_timeout(10_000)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if "Content Security" in message.text else None)
    yield page
    await context.close()
    assert wrong == []
