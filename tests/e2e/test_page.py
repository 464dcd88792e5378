"""The camera's own page as a person meets it: in a real browser, locked, on a phone, in the dark, by keyboard."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from tests.e2e.pictures import until_true
from tests.server.scripted import Script, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_BRIGHTNESS = "input[name=brightness]"


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> Script:
    return Script(fps=5)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A locked server with a camera that works and one that does not."""
    cameras = [camera(script, linger=5), camera(Script(fail_open="/dev/video0 is not there: unplugged?"), "shed")]
    async with serving(tmp_path, cameras, locked=True) as running:
        await until(lambda: script.frames > 0 and not cameras[1].available)
        yield running


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


async def until_focused(page: Page) -> None:
    """Wait until the login page's field has the focus, which it gets by itself a moment after the page is there."""
    await until_true(page, "document.activeElement === document.forms[0].token")


async def log_in(page: Page, served: Served) -> None:
    """Log in as a person does, without touching the mouse."""
    assert served.station.token is not None
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"
    await until_focused(page)
    await page.keyboard.type(served.station.token.value)
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"{served.url}/")
    await page.wait_for_selector("section:nth-of-type(2)")


async def moving(page: Page) -> bool:
    """Tell whether the first camera's picture changes."""
    picture = page.locator("section img").first
    first = await picture.screenshot()
    for _ in range(20):
        await asyncio.sleep(0.2)
        if await picture.screenshot() != first:
            return True
    return False


async def test_a_wrong_token_is_told_on_the_login_page(served: Served, page: Page) -> None:
    await page.goto(f"{served.url}/login")
    await until_focused(page)
    await page.keyboard.type("not the token")
    await page.keyboard.press("Enter")
    await page.get_by_role("alert").get_by_text("this is not the token").wait_for()


async def test_every_camera_is_live_and_says_how_it_is_in_words(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    shed = page.get_by_role("region", name="Shed")
    await front.get_by_role("status").get_by_text("live").wait_for()
    await shed.get_by_role("status").get_by_text("no picture: /dev/video0 is not there: unplugged?").wait_for()
    await front.get_by_text("1 viewer").wait_for()
    assert await front.get_by_role("img", name="Live picture of Front").count() == 1
    assert await moving(page)
    assert await page.locator("#open").is_hidden()


async def test_a_snapshot_can_be_downloaded(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.get_by_role("button", name="Take a snapshot").first.click()
    link = page.get_by_role("link", name="Download (64")
    await link.wait_for()
    async with page.expect_download() as download:
        await link.click()
    path = await (await download.value).path()
    assert (await asyncio.to_thread(path.read_bytes)).startswith(b"\xff\xd8")


async def test_controls_have_the_cameras_own_ranges_and_set_it(served: Served, page: Page, script: Script) -> None:
    await log_in(page, served)
    await page.locator("summary", has_text="Controls").first.click()
    field = page.locator(_BRIGHTNESS).first
    assert [await field.get_attribute(name) for name in ("min", "max", "step")] == ["-64", "64", "2"]
    await field.focus()
    await page.keyboard.press("ArrowRight")
    await until(lambda: script.brightness == 2)


async def test_a_stalled_picture_connects_again_by_itself(served: Served, page: Page) -> None:
    await log_in(page, served)
    assert await moving(page)
    front = served.station.cameras[0]
    await until(lambda: len(front.viewers) == 1)
    (first,) = front.viewers
    # From now on the page's picture stays as it is, as behind a connection that died without a word.
    await page.evaluate("document.querySelector('section img').src = 'snapshot.jpg'")
    await until(lambda: first not in front.viewers, 10)
    await until(lambda: len(front.viewers) == 1, 30)
    assert await moving(page)


async def test_a_new_token_sends_the_page_back_to_the_login(served: Served, page: Page) -> None:
    await log_in(page, served)
    assert served.station.token is not None
    served.station.token.rotate()
    await page.wait_for_url(f"{served.url}/login", timeout=10_000)


async def test_logging_out_ends_it(served: Served, page: Page) -> None:
    await log_in(page, served)
    await page.get_by_role("button", name="Log out").click()
    await page.wait_for_url(f"{served.url}/login")
    await page.goto(served.url)
    assert page.url == f"{served.url}/login"


@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_a_phone_shows_it_without_scrolling_sideways(served: Served, browser: Browser, scheme: str) -> None:
    context = await browser.new_context(
        viewport={"width": 360, "height": 740},
        device_scale_factor=2,
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = await context.new_page()
    try:
        await log_in(page, served)
        await page.locator("summary", has_text="Controls").first.click()
        width = await page.evaluate("document.documentElement.scrollWidth")
        assert width <= 360
        bright = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
        assert bright == ("rgb(18, 21, 27)" if scheme == "dark" else "rgb(244, 245, 247)")
    finally:
        await context.close()


async def test_chromium_paints_the_frame_that_was_sent_not_the_one_before(browser: Browser, tmp_path: Path) -> None:
    """At one frame a second, what is on the screen 0.3 s after a frame is that frame."""
    slow = Script(fps=1)
    async with serving(tmp_path, [camera(slow, linger=5)]) as served:
        page = await browser.new_page()
        try:
            # Where the server's own page would be, so that its pixels may be read.
            await page.route(f"{served.url}/plain", lambda route: route.fulfill(body="", content_type="text/html"))
            await page.goto(f"{served.url}/plain")
            await page.set_content('<img id="live" src="/stream">')
            await until_true(page, "document.querySelector('#live').naturalWidth > 0")
            painted = []
            for _ in range(5):
                await until(_newer_than(slow, slow.frames), 5)
                await asyncio.sleep(0.3)
                painted.append((slow.frames % 200, await page.evaluate(_LEVEL)))
        finally:
            await page.close()
    # A grey of a JPEG is off by one at most, and consecutive frames differ by one: sent and painted rise together.
    assert all(abs(sent - seen) <= 0.6 for sent, seen in painted), painted


def _newer_than(script: Script, frames: int) -> Callable[[], bool]:
    return lambda: script.frames > frames


_LEVEL = """() => {
  const canvas = document.createElement("canvas");
  const context = canvas.getContext("2d");
  context.drawImage(document.querySelector("#live"), 0, 0, 64, 48);
  const data = context.getImageData(0, 0, 64, 48).data;
  let sum = 0;
  for (let at = 0; at < data.length; at += 4) {
    sum += data[at];
  }
  return sum / (data.length / 4);
}"""
