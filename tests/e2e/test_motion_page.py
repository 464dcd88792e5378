"""Motion detection on the server's page: its switch, its regions by mouse, finger and keyboard, and what is seen."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.motion.settings import MotionSettings
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.auto import source_factory
from playwright.async_api import Browser, Locator, Page, expect

from tests.e2e.walks import FPS, write_walk
from tests.server.support.scripted_camera import Served, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    """A server with a camera past which a person walks."""
    await asyncio.to_thread(write_walk, tmp_path / "walk")
    requested = SourceSettings(device=str(tmp_path / "walk"), fps=FPS)
    front = Camera(CameraSettings("front", "Front", "files", 5, requested), source_factory("files"))
    async with serving(tmp_path, [front]) as running:
        yield running


def settings(served: Served) -> MotionSettings:
    return served.server.motion["front"].settings


async def open_motion(page: Page, served: Served) -> Locator:
    """Open the page and its motion detection, and return the picture's overlay once it has its place."""
    await page.goto(served.url)
    await page.get_by_text("Motion detection", exact=True).click()
    overlay = page.locator(".overlay")
    await page.wait_for_function("document.querySelector('.overlay').clientWidth > 100")
    return overlay


async def test_it_is_switched_and_adjusted(served: Served, page: Page) -> None:
    await open_motion(page, served)
    await expect(page.get_by_text("It keeps the camera running")).to_be_visible()
    await expect(page.get_by_role("button", name="Show what the detector sees")).to_be_disabled()
    await page.get_by_role("switch", name="Detect motion").check()
    await until(lambda: settings(served).enabled)
    await page.get_by_label("Sensitivity").fill("70")
    await until(lambda: settings(served).sensitivity == 70)
    await page.get_by_role("switch", name="Detect motion").uncheck()
    await until(lambda: not settings(served).enabled)


async def test_regions_are_drawn_and_erased_with_the_mouse(served: Served, page: Page) -> None:
    overlay = await open_motion(page, served)
    box = await overlay.bounding_box()
    assert box is not None
    await page.get_by_role("button", name="Ignore a region").click()
    await page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + box["height"] * 0.5)
    await page.mouse.down()
    # Up and to the left, and out of the picture.
    await page.mouse.move(box["x"] + box["width"] * 0.5, box["y"] - 20, steps=3)
    await page.mouse.up()
    await until(lambda: len(settings(served).ignore) == 1)
    assert settings(served).ignore[0] == pytest.approx((0.5, 0.0, 0.25, 0.5), abs=0.01)
    await expect(page.get_by_role("group", name="Ignored 1")).to_be_visible()
    await expect(page.get_by_text("without the ignored regions")).to_be_visible()
    # A mere click draws nothing.
    await page.get_by_role("button", name="Watch a region").click()
    await page.mouse.click(box["x"] + 50, box["y"] + box["height"] - 50)
    await page.keyboard.press("Escape")
    await page.locator(".overlay .ignore .erase").click()
    await until(lambda: settings(served).ignore == ())
    assert settings(served).watch == ()


async def test_regions_are_drawn_and_erased_with_a_finger(served: Served, browser: Browser) -> None:
    context = await browser.new_context(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    page = await context.new_page()
    overlay = await open_motion(page, served)
    await page.get_by_role("button", name="Watch a region").tap()
    await expect(overlay).to_have_class("overlay drawing")
    await expect(page.get_by_text("Files of walk")).to_be_visible()
    box = await overlay.bounding_box()
    assert box is not None
    assert box["y"] >= 0, "the picture has been scrolled away by the controls"
    finger = await context.new_cdp_session(page)
    for kind, x, y in (("touchStart", 0.1, 0.1), ("touchMove", 0.3, 0.4), ("touchMove", 0.6, 0.9), ("touchEnd", 0, 0)):
        at = {"x": box["x"] + x * box["width"], "y": box["y"] + y * box["height"]}
        points = [] if kind == "touchEnd" else [at]
        await finger.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    await until(lambda: len(settings(served).watch) == 1)
    assert settings(served).watch[0] == pytest.approx((0.1, 0.1, 0.5, 0.8), abs=0.02)
    await expect(page.get_by_role("group", name="Watched 1")).to_be_visible()
    # Two touches in a row would be one gesture.
    await asyncio.sleep(0.5)
    cross = await page.locator(".overlay .watch .erase").bounding_box()
    assert cross is not None
    at = {"x": cross["x"] + cross["width"] / 2, "y": cross["y"] + cross["height"] / 2}
    # Headless Chromium makes no click of some of the touches that follow a drawn one.
    for _ in range(4):
        await finger.send("Input.dispatchTouchEvent", {"type": "touchStart", "touchPoints": [at]})
        await finger.send("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})
        await asyncio.sleep(0.7)
        if not settings(served).watch:
            break
    await until(lambda: settings(served).watch == ())
    await context.close()


async def test_regions_are_made_and_erased_with_the_keyboard(served: Served, page: Page) -> None:
    await open_motion(page, served)
    await page.get_by_role("button", name="Watch a region").focus()
    await page.keyboard.press("Enter")
    await expect(page.get_by_text("Draw a rectangle on the picture")).to_be_visible()
    await page.keyboard.press("Tab")
    await page.keyboard.press("Tab")
    await expect(page.locator(":focus")).to_have_accessible_name("Put it in the middle")
    await page.keyboard.press("Enter")
    await until(lambda: settings(served).watch == ((0.25, 0.25, 0.5, 0.5),))
    left = page.get_by_role("group", name="Watched 1").get_by_label("Left")
    await left.fill("90")
    await left.press("Tab")
    # It stays inside the picture, and the next field keeps the focus.
    await until(lambda: settings(served).watch == ((0.5, 0.25, 0.5, 0.5),))
    await expect(page.get_by_role("group", name="Watched 1").get_by_label("Top")).to_be_focused()
    await page.get_by_role("button", name="Erase Watched 1").press("Enter")
    await until(lambda: settings(served).watch == ())
    await expect(page.get_by_role("button", name="Watch a region")).to_be_focused()


async def test_a_region_that_is_changed_elsewhere_takes_the_focus_from_nothing(served: Served, page: Page) -> None:
    await open_motion(page, served)
    watch = served.server.motion["front"]
    watch.change({"watch": [[0.1, 0.1, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]})
    erase = page.get_by_role("button", name="Erase Watched 2")
    await erase.focus()
    watch.change({"watch": [[0.3, 0.1, 0.2, 0.2], [0.5, 0.5, 0.2, 0.2]]})
    await expect(page.get_by_role("group", name="Watched 1").get_by_label("Left")).to_have_value("30")
    await expect(erase).to_be_focused()


async def test_what_the_detector_sees_is_painted_live_and_only_while_it_is_asked_for(
    served: Served, page: Page
) -> None:
    await open_motion(page, served)
    await page.get_by_role("switch", name="Detect motion").check()
    show = page.get_by_role("button", name="Show what the detector sees")
    await show.click()
    await expect(page.get_by_text("is not watched")).to_be_visible()
    # Somebody walks past within ten seconds; what moves is red.
    await page.wait_for_function(
        """() => {
          const canvas = document.querySelector(".overlay canvas");
          const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
          return data.some((value, index) => index % 4 === 0 && value > 200);
        }""",
        timeout=30_000,
    )
    await expect(page.get_by_text("Something moves.")).to_be_visible()
    watch = served.server.motion["front"]
    await show.click()
    await expect(page.locator(".overlay canvas")).to_be_hidden()
    assert await page.evaluate("seen") is None
    assert watch.status.motion
