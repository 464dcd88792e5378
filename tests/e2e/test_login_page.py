"""The login form, logging out, and a token that was rotated."""

from pathlib import Path

import pytest
from playwright.async_api import Page, expect

from tests.e2e.page_actions import log_in, wait_for_focus
from tests.server.support.scripted_camera import Script, Served, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_login_page_reports_a_wrong_token(served: Served, page: Page) -> None:
    await page.goto(f"{served.url}/login")
    await wait_for_focus(page)
    await page.keyboard.type("not the token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("this is not the token")
    # The wrong token is selected, so typing replaces it.
    assert served.server.token is not None
    await page.keyboard.type(served.server.token.value)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/")


async def test_the_login_page_reports_the_wait_after_too_many_wrong_tokens(served: Served, page: Page) -> None:
    await page.goto(f"{served.url}/login")
    await wait_for_focus(page)
    for _ in range(5):
        await page.keyboard.type("not the token")
        async with page.expect_response("**/login"):
            await page.keyboard.press("Enter")
        await expect(page.get_by_role("alert")).to_have_text("this is not the token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("too many wrong tokens; try again in 1 s")


async def test_the_login_page_reports_a_server_that_is_gone(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], needs_token=True) as served:
        await page.goto(f"{served.url}/login")
        await wait_for_focus(page)
    await page.keyboard.type("some token")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("alert")).to_have_text("The server does not answer; try again.")


async def test_the_form_works_without_javascript(served: Served, page: Page) -> None:
    await page.route("**/*.js", lambda route: route.abort())
    await page.goto(f"{served.url}/login")
    assert served.server.token is not None
    await page.get_by_label("Access token").fill(served.server.token.value)
    await page.get_by_role("button", name="Log in").click()
    await page.wait_for_url(f"{served.url}/")


async def test_a_rotated_token_sends_the_page_back_to_the_login(served: Served, page: Page) -> None:
    await log_in(page, served)
    assert served.server.token is not None
    served.server.token.rotate()
    await page.wait_for_url(f"{served.url}/login", timeout=10_000)


async def test_logging_out_ends_the_session(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{served.url}/login")
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"
