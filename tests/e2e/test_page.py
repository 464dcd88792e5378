"""The server's page in a browser, with cameras that work and cameras that do not."""

import asyncio
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.sources import SourceInfo, SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlValue
from playwright.async_api import Locator, Page, Route, expect
from tooling.network import free_ports

from tests.e2e.conftest import UNPLUGGED
from tests.e2e.page_actions import log_in, picture_changes
from tests.server.support.clip_files import pictures
from tests.server.support.scripted_camera import Script, ScriptedSource, Served, camera, grey, serving, until

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_every_camera_shows_its_picture_and_its_state(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    shed = page.get_by_role("region", name="Shed")
    await expect(front.get_by_role("status").first).to_have_text("Live")
    await expect(shed.get_by_role("status").first).to_have_text(f"No picture: {UNPLUGGED}")
    await expect(front.get_by_text("Scripted · 64")).to_be_visible()
    await expect(front.get_by_text("1 viewer")).to_be_visible()
    await expect(front.get_by_role("img", name="Live picture of Front")).to_be_visible()
    assert await picture_changes(page)
    await expect(page.locator("#open")).to_be_hidden()


async def test_viewers_are_listed(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await front.get_by_text("1 viewer").click()
    await expect(front.get_by_role("listitem")).to_contain_text("127.0.0.1, ")
    await expect(front.get_by_role("listitem")).to_contain_text("Mozilla/5.0")


async def test_a_phone_gets_small_pictures_and_a_choice_is_remembered(page: Page, tmp_path: Path) -> None:
    script = Script(fps=20, picture=grey(90, (1280, 720)), source_info=SourceInfo(size=(1280, 720)))
    image = page.get_by_role("region", name="Front").get_by_role("img")
    choice = page.get_by_label("Pictures")

    async def expect_width(width: int | None) -> None:
        await expect(image).to_have_js_property("naturalWidth", width or 1280)
        await until(lambda: [viewer.width for viewer in served.server.cameras[0].viewers] == [width])

    async with serving(tmp_path, [camera(script, linger=5)]) as served:
        await page.goto(served.url)
        await expect(choice).to_have_value("full")
        await expect_width(None)
        await page.set_viewport_size({"width": 390, "height": 800})
        await page.reload()
        await expect(choice).to_have_value("small")
        await expect_width(640)
        await choice.select_option("Full size")
        await expect_width(None)
        await page.reload()
        await expect(choice).to_have_value("full")
        await expect_width(None)


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


async def test_a_clip_is_recorded_listed_played_and_downloaded(served: Served, page: Page, tmp_path: Path) -> None:
    await page.route("**/static/clips.js", _with_short_clips)
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await expect(front.get_by_role("status").first).to_have_text("Live")
    await front.get_by_role("button", name="Record a clip").click()
    await expect(front.get_by_text("Recorded")).to_contain_text("s after")
    await front.get_by_text("Clips").click()
    await expect(front.get_by_text("1 clip")).to_be_visible()
    play = front.get_by_role("button", name="Play the clip")
    image = play.get_by_role("img")
    assert await image.evaluate("image => image.decode().then(() => image.naturalWidth)") == 64
    still, width = await play.screenshot(), await _width(play)
    await play.click()
    await expect(play).to_have_attribute("aria-pressed", "true")
    assert await _width(play) > 1.5 * width
    seen = set()
    for _ in range(20):
        seen.add(await play.screenshot())
        await asyncio.sleep(0.1)
    assert len(seen - {still}) > 1, "the clip does not play"
    async with page.expect_download() as download:
        await front.get_by_role("link", name="(http)").click()
    (kept,) = (tmp_path / "clips").glob("*.mjpeg")
    path = await (await download.value).path()
    assert len(pictures(await asyncio.to_thread(path.read_bytes))) > 2
    assert (await download.value).suggested_filename == kept.name.replace(".http.", ".")


async def test_a_new_clip_does_not_end_the_one_that_plays(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await expect(front.get_by_role("status").first).to_have_text("Live")
    camera = served.server.cameras[0]
    await served.server.recorder.record(camera, 0, 0.2, "http")
    await front.get_by_text("Clips").click()
    await front.get_by_role("button", name="Play the clip").click()
    await served.server.recorder.record(camera, 0, 0.2, "http")
    await expect(front.get_by_text("2 clips")).to_be_visible()
    playing = front.get_by_role("button", name="Play the clip", pressed=True)
    await expect(playing).to_be_focused()
    await playing.press("Enter")
    await expect(playing).to_have_count(0)


async def _width(element: Locator) -> float:
    return float(await element.evaluate("element => element.clientWidth"))


async def _with_short_clips(route: Route) -> None:
    """Answer with the script, but have it record for a second."""
    response = await route.fetch()
    text = await response.text()
    await route.fulfill(response=response, body=text.replace("AFTER_SECONDS = 10", "AFTER_SECONDS = 1"))


async def test_links_for_other_pages_are_made_and_revoked(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = page.get_by_role("region", name="Front")
    await front.get_by_text("Links for other pages").click()
    await expect(front.get_by_role("button", name="Make them void")).to_be_disabled()
    await front.get_by_role("button", name="Make links").click()
    link = await front.get_by_label("Still").input_value()
    assert (await front.get_by_label("Live picture").input_value()).startswith(f"{served.url}/cameras/front/stream?")
    # Without the cookie of the page.
    async with aiohttp.ClientSession() as other:
        async with other.get(link) as response:
            assert response.status == 200
        await front.get_by_role("button", name="Make them void").click()
        await expect(front.get_by_text("The links are void.")).to_be_visible()
        async with other.get(link) as response:
            assert response.status == 401


async def test_a_failed_snapshot_shows_the_reason(served: Served, page: Page) -> None:
    await log_in(page, served)
    shed = page.get_by_role("region", name="Shed")
    await shed.get_by_role("button", name="Take a snapshot").click()
    await expect(shed.get_by_text(f"No snapshot: {UNPLUGGED}")).to_be_visible()


async def test_the_page_reports_a_server_that_is_gone_and_recovers(page: Page, tmp_path: Path) -> None:
    (port,) = free_ports(0)
    script = Script(fps=5)
    front = page.get_by_role("region", name="Front")
    state = front.get_by_role("status").first
    async with serving(tmp_path, [camera(script, linger=5), camera(Script(), "shed")], port=port) as served:
        await page.goto(served.url)
        await expect(state).to_have_text("Live")
        await front.get_by_text("Controls").click()
    await expect(page.get_by_text("Trying again: the server does not answer.")).to_be_visible()
    await expect(state).to_have_text("Unknown: the server does not answer")
    await front.get_by_role("button", name="Take a snapshot").click()
    await expect(front.get_by_text("No snapshot: the server does not answer")).to_be_visible()
    await front.get_by_role("slider").press("ArrowRight")
    await expect(front.get_by_role("alert")).to_have_text("brightness was not set: the server does not answer")
    async with serving(tmp_path, [camera(Script(fps=5), linger=5)], port=port) as served:
        await expect(state).to_have_text("Live")
        # Faster than the detection of a stalled picture.
        await until(lambda: len(served.server.cameras[0].viewers) == 1, 4)
        assert await picture_changes(page)
        await expect(page.get_by_role("region", name="Shed")).to_have_count(0)


async def test_a_refused_stream_shows_a_message_and_is_retried(page: Page, tmp_path: Path) -> None:
    script = Script(fps=5)
    missing = page.get_by_text("No picture received; trying again.")
    async with serving(tmp_path, [camera(script, linger=5)], max_viewers=1) as served:
        async with aiohttp.ClientSession() as other, other.get(f"{served.url}/stream"):
            await page.goto(served.url)
            await expect(missing).to_be_visible()
        await expect(missing).to_be_hidden()
        assert await picture_changes(page)


async def test_a_hidden_page_has_no_stream(served: Served, page: Page) -> None:
    await log_in(page, served)
    front = served.server.cameras[0]
    await until(lambda: len(front.viewers) == 1)
    # Playwright keeps all pages visible, so the property is overridden.
    hide = "Object.defineProperty(document, 'hidden', {{ value: {}, configurable: true }})"
    changed = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.evaluate(f"{hide.format('true')}; {changed}")
    await until(lambda: not front.viewers)
    await asyncio.sleep(3)
    assert not front.viewers
    await page.evaluate(f"{hide.format('false')}; {changed}")
    await until(lambda: len(front.viewers) == 1)
    assert await picture_changes(page)


async def test_the_page_warns_without_authentication(page: Page, tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())]) as served:
        await page.goto(served.url)
        await expect(page.get_by_text("the server runs with --no-auth")).to_be_visible()
        await expect(page.get_by_role("button", name="Log out")).to_be_hidden()


async def test_the_page_shows_the_state_of_the_broker_connection(served: Served, page: Page) -> None:
    await log_in(page, served)
    await expect(page.get_by_text("MQTT off")).to_be_visible()
    served.server.broker.state, served.server.broker.error = "connecting", "nobody answers at 192.0.2.1:1883"
    await expect(page.get_by_text("MQTT connecting: nobody answers at 192.0.2.1:1883")).to_be_visible()


async def test_a_name_is_escaped(page: Page, tmp_path: Path) -> None:
    name = '<b>Göte & "Söhne"</b> 🐈'
    front = Camera(CameraSettings("front", name, "scripted", 5, SourceSettings()), Script(fps=5).source)
    async with serving(tmp_path, [front]) as served:
        await page.goto(served.url)
        await expect(page.get_by_role("heading", name=name, exact=True)).to_have_text(name)
        await expect(page.get_by_role("region", name=name, exact=True)).to_be_visible()
        assert await page.locator("main b").count() == 0


async def test_a_fifth_camera_shows_stills(page: Page, tmp_path: Path) -> None:
    """A browser opens six connections to one server: five streams and another page would leave none."""
    cameras = [camera(Script(fps=5), name, linger=1) for name in ("front", "shed", "yard", "roof", "attic")]
    async with serving(tmp_path, cameras) as served:
        await page.goto(served.url)
        await expect(page.get_by_role("region")).to_have_count(5)
        await until(lambda: all(len(each.viewers) == 1 for each in cameras[:4]))
        attic = page.get_by_role("region", name="Attic")
        assert await picture_changes(page, "Attic")
        assert not cameras[4].viewers
        await expect(attic.get_by_text("No viewers")).to_be_visible()
        # A still every two seconds does not keep the camera running beyond `linger`.
        await expect(attic.get_by_role("status").first).to_have_text("Waiting for a viewer")


async def test_the_page_shows_why_this_camera_was_chosen(page: Page, tmp_path: Path) -> None:
    script = Script(
        fps=5, source_info=SourceInfo(model="Scripted", size=(64, 48), fps=5, note="the only one that was found")
    )
    async with serving(tmp_path, [camera(script)]) as served:
        await page.goto(served.url)
        await expect(page.get_by_text("the only one that was found")).to_be_visible()


class _ManyControls(ScriptedSource):
    """A camera with a control of each type."""

    def __init__(self, values: dict[str, ControlValue]) -> None:
        super().__init__(Script(fps=5))
        self._values = values

    def controls(self) -> dict[str, Control]:
        """Return one control of each type."""
        offered = [
            Control("brightness", "integer", 0, 0, -64, 64, 2),
            Control("Contrast", "number", 1.0, 1.0, 0.0, 2.0),
            Control("AeEnable", "boolean", default=True, value=True),
            Control("power_line_frequency", "menu", "50 Hz", "50 Hz", options=("Disabled", "50 Hz", "60 Hz")),
        ]
        return {control.name: control for control in offered}

    def set_control(self, name: str, value: ControlValue) -> None:
        """Record the value. `60 Hz` fails as in a driver."""
        if value == "60 Hz":
            raise OSError(5, "Input/output error")
        self._values[name] = value


async def test_each_type_of_control_is_shown_and_can_be_set(page: Page, tmp_path: Path) -> None:
    values: dict[str, ControlValue] = {}
    settings = CameraSettings("front", "Front", "scripted", 5, SourceSettings())
    front = Camera(settings, lambda _: _ManyControls(values))
    async with serving(tmp_path, [front]) as served:
        await page.goto(served.url)
        await page.get_by_text("Controls").click()
        brightness = page.get_by_role("slider", name="brightness")
        assert [await brightness.get_attribute(name) for name in ("min", "max", "step")] == ["-64", "64", "2"]
        row = page.locator(".controls form div", has=brightness)
        for presses in (1, 2):
            await brightness.press("ArrowRight")
            # The number changes while the slider still has the focus.
            await expect(row.locator("span")).to_have_text(str(2 * presses))
        await page.get_by_role("slider", name="Contrast").press("End")
        await page.get_by_role("checkbox", name="AeEnable").press("Space")
        menu = page.get_by_role("combobox", name="power_line_frequency")
        assert await menu.locator("option").all_text_contents() == ["Disabled", "50 Hz", "60 Hz"]
        await menu.select_option("Disabled")
        await until(lambda: len(values) == 4)
        await until(lambda: values["brightness"] == 4)
        assert values == {"brightness": 4, "Contrast": 2.0, "AeEnable": False, "power_line_frequency": "Disabled"}
        await menu.select_option("60 Hz")
        await expect(page.get_by_role("alert")).to_contain_text("power_line_frequency was not set: ")


class _Lens(ScriptedSource):
    """A camera that focuses, and tells so by the control that libcamera has then."""

    def __init__(self, modes: tuple[str, ...], *, finds: bool = True) -> None:
        super().__init__(Script(fps=5))
        self.modes, self.finds = modes, finds

    def controls(self) -> dict[str, Control]:
        """Return the mode of the focus."""
        return {"AfMode": Control("AfMode", "menu", self.modes[0], self.modes[0], options=self.modes)}

    def focus_result(self) -> bool:
        """Return whether there is a focus."""
        return self.finds


async def test_a_camera_whose_lens_moves_can_be_focused(page: Page, tmp_path: Path) -> None:
    lenses = {
        "front": _Lens(("Manual", "Auto", "Continuous")),
        "dark": _Lens(("Manual", "Auto"), finds=False),
        "fixed": _Lens(("Manual",)),
    }

    def made(name: str) -> Camera:
        settings = CameraSettings(name, name.title(), "scripted", 5, SourceSettings(size=(64, 48)))
        return Camera(settings, lambda _: lenses[name])

    async with serving(tmp_path, [made(name) for name in lenses]) as served:
        await page.goto(served.url)
        for name, said in (("Front", "The picture is sharp."), ("Dark", "Not focused: no sharp position was found")):
            section = page.get_by_role("region", name=name)
            await section.get_by_role("button", name="Focus now").click()
            await expect(section.locator(".panel > .buttons output")).to_contain_text(said)
        fixed = page.get_by_role("region", name="Fixed")
        await expect(fixed.get_by_text("Controls")).to_be_visible()
        await expect(fixed.get_by_role("button", name="Focus now")).to_be_hidden()


async def test_a_control_set_elsewhere_is_shown_unless_it_has_the_focus(
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
    # Longer than the page's poll interval.
    await asyncio.sleep(3)
    await expect(slider).to_be_focused()
    await expect(slider).to_have_value("0")
    await slider.blur()
    await expect(slider).to_have_value("12")


async def test_the_picture_of_a_rotated_camera_has_its_displayed_shape(served: Served, page: Page) -> None:
    await log_in(page, served)
    sizes = [
        await page.evaluate(f"shownSize({{naturalWidth: {wide}, naturalHeight: {high}}}, {{width: 64, height: 48}})")
        for wide, high in ((64, 48), (48, 64), (0, 0))
    ]
    assert sizes == [[64, 48], [48, 64], [64, 48]]
