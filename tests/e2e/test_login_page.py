"""The page's login: the login form, the way out, and a token that is not good any more."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.e2e.page_actions import log_in, until_focused
from tests.server.support.scripted_camera import Script, Served, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(Script(fps=5), linger=5)], needs_token=True) as running:
        yield running


async def test_a_wrong_token_is_told_on_the_login_page(served: Served, page: Page) -> None:
    await page.goto(f"{served.url}/login")
    await until_focused(page)
    await page.keyboard.type("not the token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("this is not the token")
    # What was typed is selected: the next try replaces it.
    assert served.server.token is not None
    await page.keyboard.type(served.server.token.value)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/")


async def test_who_guesses_is_told_how_long_to_wait(served: Served, page: Page) -> None:
    await page.goto(f"{served.url}/login")
    await until_focused(page)
    for _ in range(5):
        await page.keyboard.type("not the token")
        async with page.expect_response("**/login"):
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("this is not the token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("too many wrong tokens; try again in 1 s")


async def test_a_server_that_is_gone_is_told_on_the_login_page(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], needs_token=True) as served:
        await page.goto(f"{served.url}/login")
        await until_focused(page)
    await page.keyboard.type("some token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The server does not answer; try again.")


async def test_without_javascript_the_form_works_too(served: Served, page: Page) -> None:
    await page.route("**/*.js", lambda route: route.abort())
    await page.goto(f"{served.url}/login")
    assert served.server.token is not None
    await page.get_by_label("Access token").fill(served.server.token.value)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"{served.url}/")


async def test_a_new_token_sends_the_page_back_to_the_login(served: Served, page: Page) -> None:
    await log_in(page, served)
    assert served.server.token is not None
    served.server.token.rotate()
    await page.wait_for_url(f"{served.url}/login", timeout=10_000)


async def test_logging_out_ends_it(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{served.url}/login")
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"
