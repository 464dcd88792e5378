"""The camera's own page as a person meets it: in a real browser, with cameras that work and cameras that do not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlValue
from playwright.async_api import Page, expect
from workbench.network import free_ports

from tests.e2e.page_actions import log_in, moving
from tests.server.support.scripted_camera import Script, ScriptedSource, Served, camera, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")

_UNPLUGGED = "/dev/video0 is not there: unplugged?"


@pytest_asyncio.fixture(loop_scope="session")
async def script() -> Script:
    return Script(fps=5)


@pytest_asyncio.fixture(loop_scope="session")
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A server with a token, a camera that works and one that does not."""
    cameras = [camera(script, linger=5), camera(Script(fail_open=_UNPLUGGED), "shed")]
    async with serving(tmp_path, cameras, needs_token=True) as running:
        await until(lambda: script.frames > 0 and not cameras[1].available)
        yield running


async def test_every_camera_is_live_and_says_how_it_is_in_words(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    shed = page.get_by_role("region", name="Shed")
    await expect(front.get_by_role("status").first).to_have_text("Live")
    await expect(shed.get_by_role("status").first).to_have_text(f"No picture: {_UNPLUGGED}")
    await expect(front.get_by_text("Scripted · 64")).to_be_visible()
    await expect(front.get_by_text("1 viewer")).to_be_visible()
    await expect(front.get_by_role("img", name="Live picture of Front")).to_be_visible()
    assert await moving(page)
    await expect(page.locator("#open")).to_be_hidden()


async def test_viewers_are_named(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await front.get_by_text("1 viewer").click()
    await expect(front.get_by_role("listitem")).to_contain_text("127.0.0.1, ")
    await expect(front.get_by_role("listitem")).to_contain_text("Mozilla/5.0")


async def test_a_snapshot_can_be_downloaded(served: Served, page: Page, tmp_path: Path) -> None:
    await log_in(page, served)
    await page.get_by_role("button", name="Take a snapshot").first.click()
    link = page.get_by_role("link", name="Download (64")
    async with page.expect_download() as download:
        await link.click()
    (kept,) = (tmp_path / "snapshots").rglob("*.jpg")
    assert (await download.value).suggested_filename == kept.name
    path = await (await download.value).path()
    assert (await asyncio.to_thread(path.read_bytes)).startswith(b"\xff\xd8")


async def test_a_snapshot_that_cannot_be_says_why(served: Served, page: Page) -> None:
    await log_in(page, served)
    shed = page.get_by_role("region", name="Shed")
    await shed.get_by_role("button", name="Take a snapshot").click()
    await expect(shed.get_by_text(f"No snapshot: {_UNPLUGGED}")).to_be_visible()


async def test_a_server_that_goes_is_told_and_the_page_heals_when_it_is_back(page: Page, tmp_path: Path) -> None:
    (port,) = free_ports(0)
    script = Script(fps=5)
    front = page.get_by_role("region", name="Front")
    state = front.get_by_role("status").first
    async with serving(tmp_path, [camera(script, linger=5), camera(Script(), "shed")], port=port) as served:
        await page.goto(served.url)
        await expect(state).to_have_text("Live")
        await front.get_by_text("Controls").click()
    await expect(page.get_by_text("Trying again: the server does not answer.")).to_be_visible()
    await expect(state).to_have_text("Not known: the server does not answer")
    await front.get_by_role("button", name="Take a snapshot").click()
    await expect(front.get_by_text("No snapshot: the server does not answer")).to_be_visible()
    await front.get_by_role("slider").press("ArrowRight")
    await expect(front.get_by_role("alert")).to_have_text("brightness was not set: the server does not answer")
    async with serving(tmp_path, [camera(Script(fps=5), linger=5)], port=port) as served:
        await expect(state).to_have_text("Live")
        # Sooner than a stalled picture is noticed.
        await until(lambda: len(served.server.cameras[0].viewers) == 1, 4)
        assert await moving(page)
        await expect(page.get_by_role("region", name="Shed")).to_have_count(0)


async def test_a_picture_that_is_refused_says_so_and_comes_when_there_is_room(page: Page, tmp_path: Path) -> None:
    script = Script(fps=5)
    missing = page.get_by_text("The picture does not come; trying again.")
    async with serving(tmp_path, [camera(script, linger=5)], max_viewers=1) as served:
        async with aiohttp.ClientSession() as other, other.get(f"{served.url}/stream"):
            await page.goto(served.url)
            await expect(missing).to_be_visible()
        await expect(missing).to_be_hidden()
        assert await moving(page)


async def test_a_hidden_page_holds_no_connection(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = served.server.cameras[0]
    await until(lambda: len(front.viewers) == 1)
    # Playwright keeps all its pages visible, so this is said to the page and not done to it.
    hide = "Object.defineProperty(document, 'hidden', {{ value: {}, configurable: true }})"
    changed = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(f"{hide.format('true')}; {changed}")
    await until(lambda: not front.viewers)
    await asyncio.sleep(3)
    assert not front.viewers
    await page.evaluate(f"{hide.format('false')}; {changed}")
    await until(lambda: len(front.viewers) == 1)
    assert await moving(page)


async def test_it_says_when_everybody_may_watch(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        await page.goto(served.url)
        await expect(page.get_by_text("the server runs with --no-auth")).to_be_visible()
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()


async def test_it_says_why_there_is_no_broker(served: Served, page: Page) -> None:
    await log_in(page, served)
    await expect(page.get_by_text("MQTT off")).to_be_visible()
    served.server.broker.state, served.server.broker.error = "connecting", "nobody answers at 192.0.2.1:1883"
    await expect(page.get_by_text("MQTT connecting: nobody answers at 192.0.2.1:1883")).to_be_visible()


async def test_a_name_is_shown_as_it_is_written(page: Page, tmp_path: Path) -> None:
    name = '<b>Göte & "Söhne"</b> 🐈'
    front = Camera(CameraSettings("front", name, "scripted", 5, SourceSettings()), Script(fps=5).source)
    async with serving(tmp_path, [front]) as served:
        await page.goto(served.url)
        await expect(page.get_by_role("heading", name=name, exact=True)).to_have_text(name)
        await expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        assert await page.locator("main b").count() == 0


async def test_a_fifth_camera_shows_stills_that_renew(page: Page, tmp_path: Path) -> None:
    """A browser has six connections to one server: five live pictures and another page would leave none."""
    cameras = [camera(Script(fps=5), name, linger=1) for name in ("front", "shed", "yard", "roof", "attic")]
    async with serving(tmp_path, cameras) as served:
        await page.goto(served.url)
        await expect(page.get_by_role("region")).to_have_count(5)
        await until(lambda: all(len(each.viewers) == 1 for each in cameras[:4]))
        attic = page.get_by_role("region", name="Attic")
        assert await moving(page, "Attic")
        assert not cameras[4].viewers
        await expect(attic.get_by_text("No viewers")).to_be_visible()
        # A still every two seconds does not keep it awake for longer than it lingers.
        await expect(attic.get_by_role("status").first).to_have_text("Waiting for a viewer")


async def test_it_says_why_it_shows_another_camera_than_one_may_expect(page: Page, tmp_path: Path) -> None:
    script = Script(
        fps=5, source_info=SourceInfo(model="Scripted", size=(64, 48), fps=5, note="the only one that was found")
    )
    async with serving(tmp_path, [camera(script)]) as served:
        await page.goto(served.url)
        await expect(page.get_by_text("the only one that was found")).to_be_visible()


class _ManyControls(ScriptedSource):
    """A camera with a control of each type."""

    def __init__(self, wishes: dict[str, ControlValue]) -> None:
        super().__init__(Script(fps=5))
        self._wishes = wishes

    def controls(self) -> dict[str, Control]:
        """Offer one of each type."""
        offered = [
            Control("brightness", "integer", 0, 0, -64, 64, 2),
            Control("Contrast", "number", 1.0, 1.0, 0.0, 2.0),
            Control("AeEnable", "boolean", default=True, value=True),
            Control("power_line_frequency", "menu", "50 Hz", "50 Hz", options=("Disabled", "50 Hz", "60 Hz")),
        ]
        return {control.name: control for control in offered}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Note the wish, but for one that the driver refuses."""
        if value == "60 Hz":
            raise OSError(5, "Input/output error")
        self._wishes[name] = value


async def test_controls_are_as_the_camera_names_them_and_set_it(page: Page, tmp_path: Path) -> None:
    wishes: dict[str, ControlValue] = {}
    settings = CameraSettings("front", "Front", "scripted", 5, SourceSettings())
    front = Camera(settings, lambda _: _ManyControls(wishes))
    async with serving(tmp_path, [front]) as served:
        await page.goto(served.url)
        await page.get_by_text("Controls").click()
        brightness = page.get_by_role("slider", name="brightness")
        assert [await brightness.get_attribute(name) for name in ("min", "max", "step")] == ["-64", "64", "2"]
        row = page.locator(".controls form div", has=brightness)
        for presses in (1, 2):
            await brightness.press("ArrowRight")
            # The number is there while the slider still has the focus.
            await expect(row.locator("span")).to_have_text(str(2 * presses))
        await page.get_by_role("slider", name="Contrast").press("End")
        await page.get_by_role("checkbox", name="AeEnable").press("Space")
        menu = page.get_by_role("combobox", name="power_line_frequency")
        assert await menu.locator("option").all_text_contents() == ["Disabled", "50 Hz", "60 Hz"]
        await menu.select_option("Disabled")
        await until(lambda: len(wishes) == 4)
        await until(lambda: wishes["brightness"] == 4)
        assert wishes == {"brightness": 4, "Contrast": 2.0, "AeEnable": False, "power_line_frequency": "Disabled"}
        await menu.select_option("60 Hz")
        await expect(page.get_by_role("alert")).to_contain_text("power_line_frequency was not set: ")


async def test_a_control_set_elsewhere_is_shown_unless_somebody_uses_it(
    served: Served, page: Page, script: Script
) -> None:
    await log_in(page, served)
    await page.get_by_role("region", name="Front").get_by_text("Controls").click()
    slider = page.get_by_role("slider", name="brightness")
    await slider.focus()
    assert served.server.token is not None
    bearer = {"Authorization": f"Bearer {served.server.token.value}"}
    async with (
        aiohttp.ClientSession(headers=bearer) as other,
        other.patch(f"{served.url}/api/cameras/front/controls", json={"brightness": 12}) as response,
    ):
        assert response.status == 200
    assert script.brightness == 12
    # Longer than the page waits before it asks again.
    await asyncio.sleep(3)
    await expect(slider).to_be_focused()
    await expect(slider).to_have_value("0")
    await slider.blur()
    await expect(slider).to_have_value("12")


async def test_a_turned_cameras_picture_has_the_shape_it_is_shown_in(served: Served, page: Page) -> None:
    await log_in(page, served)
    sizes = [
        await page.evaluate(f"shownSize({{naturalWidth: {wide}, naturalHeight: {high}}}, {{width: 64, height: 48}})")
        for wide, high in ((64, 48), (48, 64), (0, 0))
    ]
    assert sizes == [[64, 48], [48, 64], [64, 48]]
