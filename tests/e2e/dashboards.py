"""Dashboards of Home Assistant in a browser."""

from playwright.async_api import Browser, Page
from tooling.hass_client import USERNAME
from tooling.stack import Stack

# Playwright's selectors pierce the frontend's shadow roots.
LIVE = "img[src*='camera_proxy_stream']"
_PAGE_TIMEOUT = 60_000  # milliseconds; Home Assistant's frontend loads slowly at first


async def open_dashboard(browser: Browser, stack: Stack, query: str = "") -> Page:
    """Open the dashboard with the live camera in a browser of its own, and sign in."""
    context = await browser.new_context(viewport={"width": 1000, "height": 800}, ignore_https_errors=True)
    page = await context.new_page()
    page.set_default_timeout(_PAGE_TIMEOUT)
    await page.goto(f"{stack.home_assistant.url}{stack.dashboard}{query}")
    await page.fill("input[name=username]", USERNAME)
    await page.fill("input[name=password]", stack.password)
    await page.keyboard.press("Enter")
    return page
