"""Actions on the server's page in a browser."""

import asyncio

from playwright.async_api import Page, expect

from tests.server.support.scripted_camera import Served


async def wait_for_focus(page: Page) -> None:
    """Wait until the token field has the focus, which it gets shortly after the page has loaded."""
    await expect(page.get_by_label("Access token")).to_be_focused()


async def log_in(page: Page, served: Served) -> None:
    """Log in with the keyboard only."""
    assert served.server.token is not None
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"
    await wait_for_focus(page)
    await page.keyboard.type(served.server.token.value)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/")
    await page.wait_for_selector(f"section:nth-of-type({len(served.server.cameras)})")


async def picture_changes(page: Page, name: str = "Front") -> bool:
    """Return whether a camera's picture changes on the screen within 4 seconds."""
    picture = page.get_by_role("region", name=name).locator(".picture")
    first = await picture.screenshot()
    for _ in range(20):
        await asyncio.sleep(0.2)
        if await picture.screenshot() != first:
            return True
    return False
