"""What a person does with the camera's own page in a real browser."""

import asyncio

from playwright.async_api import Page, expect

from tests.server.support.scripted_camera import Served


async def until_focused(page: Page) -> None:
    """Wait until the login page's field has the focus, which it gets by itself a moment after the page is there."""
    await expect(page.get_by_label("Access token")).to_be_focused()


async def log_in(page: Page, served: Served) -> None:
    """Log in as a person does, without touching the mouse."""
    assert served.server.token is not None
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"
    await until_focused(page)
    await page.keyboard.type(served.server.token.value)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/")
    await page.wait_for_selector(f"section:nth-of-type({len(served.server.cameras)})")


async def moving(page: Page, name: str = "Front") -> bool:
    """Tell whether a camera's picture changes on the screen."""
    picture = page.get_by_role("region", name=name).locator(".picture")
    first = await picture.screenshot()
    for _ in range(20):
        await asyncio.sleep(0.2)
        if await picture.screenshot() != first:
            return True
    return False
