"""Accessibility of the page: phone, dark mode, keyboard, screen reader, layout stability."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
import pytest_asyncio
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, expect

from tests.e2e.page_actions import log_in, wait_for_focus
from tests.e2e.pictures import until_true
from tests.server.support.scripted_camera import Script, Served, camera, serving

pytestmark = pytest.mark.asyncio(loop_scope="session")

Scheme = Literal["light", "dark"]

_MIN_TARGET_SIZE = 44
"""Pixels (WCAG 2.5.5)."""


@pytest_asyncio.fixture(loop_scope="session", params=["light", "dark"])
async def phone(request: pytest.FixtureRequest, browser: Browser) -> AsyncIterator[Page]:
    """A phone in portrait orientation, in light and in dark mode."""
    scheme: Scheme = request.param
    context = await browser.new_context(
        viewport={"width": 360, "height": 740},
        color_scheme=scheme,
        device_scale_factor=2,
        has_touch=True,
        is_mobile=True,
    )
    page = await context.new_page()
    page.set_default_timeout(10_000)
    yield page
    await context.close()


async def assert_accessible(page: Page) -> None:
    """Assert that axe-core finds no violation of names, roles, landmarks and text contrast."""
    found = await Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


async def open_all(page: Page) -> None:
    """Open everything on the page, make a region of each kind, and take a snapshot."""
    await page.get_by_role("button", name="Take a snapshot").first.click()
    await page.get_by_role("link", name="Download").wait_for()
    await page.get_by_text("1 viewer").first.click()
    await page.get_by_text("Controls").first.click()
    front = page.get_by_role("region", name="Front")
    await front.get_by_text("Motion detection", exact=True).click()
    await front.get_by_role("switch", name="Detect motion").check()
    for kind in ("Watch", "Ignore"):
        await front.get_by_role("button", name=f"{kind} a region").click()
        await front.get_by_role("button", name="Put it in the middle").click()
        await front.get_by_role("group", name=f"{kind.removesuffix('e')}ed 1").wait_for()
    await front.get_by_role("button", name="Show what the detector sees").click()
    await front.get_by_text("is not watched").wait_for()


async def test_the_page_is_accessible(served: Served, phone: Page) -> None:
    await log_in(phone, served)
    await assert_accessible(phone)
    await open_all(phone)
    await assert_accessible(phone)
    width = await phone.evaluate("document.documentElement.scrollWidth")
    assert width == 360


async def test_the_login_page_is_accessible(served: Served, phone: Page) -> None:
    await phone.goto(f"{served.url}/login")
    await wait_for_focus(phone)
    await assert_accessible(phone)
    await phone.keyboard.type("not the token")
    await phone.keyboard.press("Enter")
    await phone.get_by_text("this is not the token").wait_for()
    await assert_accessible(phone)
    assert await too_small(phone) == []


async def test_the_page_is_accessible_when_the_server_is_gone(phone: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script(fps=5))]) as served:
        await phone.goto(served.url)
        await phone.get_by_text("the server runs with").wait_for()
        await assert_accessible(phone)
    await phone.get_by_text("Unknown").wait_for()
    await assert_accessible(phone)


async def test_every_target_is_large_enough_for_a_finger(served: Served, phone: Page) -> None:
    await log_in(phone, served)
    await open_all(phone)
    assert await too_small(phone) == []


async def too_small(page: Page) -> list[str]:
    """Return the touch targets that are too small. The target of a checkbox is its label."""
    return list(
        await page.evaluate(
            """(smallest) => [...document.querySelectorAll("a, button, summary, input, select")]
              .filter((each) => each.checkVisibility())
              .filter((each) => {
                const target = each.type === "checkbox" ? each.labels[0] : each;
                const { width, height } = target.getBoundingClientRect();
                return Math.min(width, height) < smallest;
              })
              .map((each) => each.outerHTML)""",
            _MIN_TARGET_SIZE,
        )
    )


async def test_the_background_follows_the_color_scheme(phone: Page, served: Served) -> None:
    await phone.goto(f"{served.url}/login")
    dark = await phone.evaluate("matchMedia('(prefers-color-scheme: dark)').matches")
    back = await phone.evaluate("getComputedStyle(document.documentElement).backgroundColor")
    assert back == ("rgb(18, 21, 27)" if dark else "rgb(244, 245, 247)")


async def test_the_keyboard_reaches_everything_in_visual_order(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.get_by_text("1 viewer").first.wait_for()
    buttons = ["Camera on", "Take a snapshot", "Record a clip", "Full screen"]
    front = [*buttons, "Motion detection", "1 viewer", "Links for other pages", "Controls"]
    for stop in ["Pictures", "Log out", *front, *buttons]:
        await page.keyboard.press("Tab")
        focused = page.locator(":focus")
        await expect(focused).to_have_accessible_name(stop)
        style = "getComputedStyle(document.activeElement)"
        assert await page.evaluate(f"[{style}.outlineStyle, {style}.outlineWidth]") == ["solid", "3px"], stop
    # The lists open by keyboard too, and their contents come next.
    await page.get_by_role("region", name="Front").get_by_text("Controls").focus()
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    await expect(page.get_by_role("slider", name="brightness")).to_be_focused()


async def test_full_screen_by_keyboard_and_by_touch(served: Served, page: Page) -> None:
    await log_in(page, served)
    full = page.get_by_role("region", name="Front").get_by_role("button", name="Full screen")
    shown = "document.fullscreenElement?.className ?? null"
    await full.focus()
    await page.keyboard.press("Enter")
    await until_true(page, f"({shown}) === 'picture'")
    box = await page.locator(".picture").first.bounding_box()
    assert box == {"x": 0, "y": 0, **(await page.evaluate("({width: innerWidth, height: innerHeight})"))}
    await page.locator(".picture").first.click()
    await until_true(page, f"({shown}) === null")
    await full.press("Space")
    await until_true(page, f"({shown}) === 'picture'")
    await page.locator(".picture").first.click()
    await until_true(page, f"({shown}) === null")
    # Another click changes nothing.
    await page.locator(".picture").first.click()
    assert await page.evaluate(shown) is None


async def test_a_screen_reader_announces_a_change_once(served: Served, page: Page, script: Script) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await expect(front.get_by_role("status").first).to_have_text("Live")
    await page.get_by_text("1 viewer").first.wait_for()
    await page.evaluate(
        """() => {
          window.announced = [];
          new MutationObserver((changes) => changes.forEach(({ target }) => {
            const element = target.nodeType === Node.TEXT_NODE ? target.parentElement : target;
            if (element?.closest("[role=status], [role=alert], output")) {
              announced.push(element.textContent);
            }
          })).observe(document.body, { subtree: true, childList: true, characterData: true });
        }"""
    )
    await asyncio.sleep(5)
    assert await page.evaluate("announced") == []
    script.raise_in_frames = script.fail_open = "unplugged?"
    await expect(front.get_by_role("status").first).to_have_text("No picture: unplugged?")
    await asyncio.sleep(5)
    announced = await page.evaluate("announced")
    assert announced[-1] == "No picture: unplugged?"
    assert len(announced) == len(set(announced)), announced


async def test_the_layout_is_stable(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.evaluate(
        """() => {
          window.shifts = [];
          const note = (list) => list.getEntries().forEach((entry) => shifts.push(entry.value));
          new PerformanceObserver(note).observe({ type: "layout-shift", buffered: true });
        }"""
    )
    await page.get_by_text("1 viewer").first.wait_for()
    await asyncio.sleep(5)
    assert sum(await page.evaluate("shifts")) < 0.01
