"""The media browser of Home Assistant in a real browser shows thumbnails and plays what the Pi keeps."""

from urllib.parse import quote

import pytest
from playwright.async_api import Browser, Page
from tooling.hass_client import USERNAME, until
from tooling.stack import Stack

pytestmark = pytest.mark.asyncio(loop_scope="session")

_PAGE_TIMEOUT = 60_000  # milliseconds; Home Assistant's frontend loads slowly at first
_PHONE = {"width": 390, "height": 844}


async def _open_day(browser: Browser, stack: Stack, clip: str) -> Page:
    """Open the day of a clip on a phone, and sign in."""
    context = await browser.new_context(viewport={"width": _PHONE["width"], "height": _PHONE["height"]})
    page = await context.new_page()
    page.set_default_timeout(_PAGE_TIMEOUT)
    folders = (("app", "media-source://pi_mjpeg"), ("video", clip.rpartition("/")[0]))
    path = "/".join(quote(",".join(folder), safe="") for folder in folders)
    await page.goto(f"{stack.home_assistant.url}/media-browser/browser/{path}")
    await page.fill("input[name=username]", USERNAME)
    await page.fill("input[name=password]", stack.password)
    await page.keyboard.press("Enter")
    return page


async def test_a_clip_and_a_snapshot_have_thumbnails_and_are_played(stack: Stack, browser: Browser) -> None:
    target = {"entity_id": stack.camera}
    asked = "/api/services/pi_mjpeg/{}?return_response"
    answer = await stack.client.post(asked.format("record_clip"), {**target, "before": 0, "after": 1})
    clip = answer["service_response"][stack.camera]
    await stack.client.post(asked.format("take_snapshot"), target)
    page = await _open_day(browser, stack, clip["media_content_id"])
    try:
        shown = page.locator(".child")
        # The newest are the first. Other tests of this stack may have kept some too.
        picture, film = shown.nth(0), shown.filter(has_text="s)").first
        for item in (picture, film):
            thumbnail = item.locator("ha-media-browser-thumbnail .image")
            await until(
                lambda thumbnail=thumbnail: thumbnail.evaluate("shown => shown.style.backgroundImage"),  # type: ignore[misc]  # mypy cannot infer it
                "the thumbnail is there",
            )
        await film.click()
        video = page.locator("video")
        await video.wait_for()
        await until(lambda: video.evaluate("video => video.ended"), "the film has played to its end")
        assert await video.evaluate("video => [video.videoWidth, video.videoHeight]") == [1280, 720]
        assert await video.evaluate("video => video.duration") == pytest.approx(clip["duration"], abs=0.2)
        await page.keyboard.press("Escape")
        await video.wait_for(state="detached")
        await picture.click()
        image = page.locator("hui-dialog-web-browser-play-media img")
        await until(lambda: image.evaluate("image => image.naturalWidth === 1280"), "the snapshot is there")
    finally:
        await page.context.close()
