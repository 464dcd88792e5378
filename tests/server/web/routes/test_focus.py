"""Focusing a camera over HTTP."""

import asyncio
import time
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.sources import SourceSettings
from pi_mjpeg_server.sources.controls import Control, ControlError
from pi_mjpeg_server.storage.control_store import ControlStore

from tests.server.support.scripted_camera import Script, ScriptedSource, serving, until


class LensScript(Script):
    """A camera with a lens, which finds a focus after some time, or none."""

    has_lens = True
    seconds = 0.3
    finds = True
    started_at = 0.0
    runs = 0


class LensSource(ScriptedSource):
    """Its source."""

    def __init__(self, script: LensScript) -> None:
        super().__init__(script)
        self.lens = script

    def controls(self) -> dict[str, Control]:
        """Return the position of the lens."""
        return {"LensPosition": Control("LensPosition", "number", 1.0, float(self.lens.runs), 0.0, 32.0)}

    def start_focus(self) -> None:
        """Start, or refuse."""
        if not self.lens.has_lens:
            raise ControlError("it has no lens that can be focused")
        self.lens.started_at = time.monotonic()

    def focus_result(self) -> bool | None:
        """Return the result when it is time."""
        if time.monotonic() - self.lens.started_at < self.lens.seconds:
            return None
        self.lens.runs += self.lens.finds
        return self.lens.finds


@pytest.fixture
def lens() -> LensScript:
    return LensScript()


@pytest.fixture
def front(lens: LensScript) -> Camera:
    settings = CameraSettings("front", "Front", "scripted", 0.1, SourceSettings(size=(64, 48)))
    return Camera(settings, lambda _: LensSource(lens))


async def test_pictures_go_on_while_a_camera_focuses(tmp_path: Path, front: Camera, lens: LensScript) -> None:
    async with serving(tmp_path, [front]) as served, aiohttp.ClientSession() as client:
        async with client.get(f"{served.url}/stream") as watching:
            await watching.content.readany()
            asked = asyncio.create_task(client.post(f"{served.url}/api/cameras/front/focus"))
            await until(lambda: lens.started_at > 0)
            before = lens.frames
            async with client.get(f"{served.url}/api/state") as state:
                assert state.status == 200
            await watching.content.readany()
            assert not asked.done()
            assert (await asked).status == 204
            assert lens.frames > before
        assert front.control_overrides == {"LensPosition": 1.0}
        store = ControlStore(tmp_path / "controls.json")
        await until(lambda: store.load().get("front") == {"LensPosition": 1.0})


@pytest.mark.parametrize(
    ("case", "status", "code", "words"),
    [
        ("no lens", 422, "bad_control", "Front cannot be focused: it has no lens"),
        ("no focus", 409, "not_focused", "no sharp position was found"),
        ("off", 409, "camera_off", "Front is switched off"),
    ],
)
async def test_a_camera_that_does_not_focus_says_why(
    tmp_path: Path, front: Camera, lens: LensScript, case: str, status: int, code: str, words: str
) -> None:
    lens.has_lens, lens.finds = case != "no lens", False
    async with serving(tmp_path, [front]) as served, aiohttp.ClientSession() as client:
        if case == "off":
            front.disable()
        async with client.post(f"{served.url}/api/cameras/front/focus") as response:
            error = (await response.json())["error"]
            assert (response.status, error["code"]) == (status, code)
            assert error["message"].startswith(words)
        assert front.control_overrides == {}


async def test_a_client_that_leaves_does_not_keep_the_camera_running(
    tmp_path: Path, front: Camera, lens: LensScript
) -> None:
    lens.seconds = 60
    async with serving(tmp_path, [front]) as served:
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(0.5)) as client:
            with pytest.raises(TimeoutError):
                await client.post(f"{served.url}/api/cameras/front/focus")
        await until(lambda: lens.capturing == 0)
