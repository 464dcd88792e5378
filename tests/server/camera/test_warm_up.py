"""The first pictures of a capture can be dark: no still is taken of them."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.camera.camera import Camera
from pi_mjpeg_server.camera.settings import CameraSettings
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media.frame import Picture
from pi_mjpeg_server.sources import SourceInfo, SourceSettings

from tests.server.support.scripted_camera import Script, ScriptedSource, grey, level_of, serving, supervised, until

DARK = 10
LIGHT = 200


class DarkAtFirst(ScriptedSource):
    """A camera whose pictures are dark for 0.3 s after each start, like a webcam whose exposure adapts."""

    says_so = False

    def __init__(self, script: Script) -> None:
        """Follow a script in everything else."""
        super().__init__(script)
        self._settings = script

    def open(self) -> SourceInfo:
        """Open the camera."""
        return replace(super().open(), fps=50)

    def frames(self) -> Iterator[Picture | None]:
        """Yield dark pictures, then light ones."""
        began = time.monotonic()
        for picture in super().frames():
            is_dark = time.monotonic() - began < 0.3
            self._settings.picture = grey(DARK if is_dark else LIGHT)
            if picture is not None:
                yield replace(picture, jpeg=self._settings.picture, settled=not (is_dark and self.says_so))


class SaysSo(DarkAtFirst):
    """One that knows from its metadata that the exposure has not settled."""

    says_so = True


def dark_camera(kind: type[DarkAtFirst], **settings: float) -> Camera:
    script = Script()
    described = CameraSettings("front", "Front", "scripted", 0, SourceSettings(size=(64, 48)), **settings)  # type: ignore[arg-type]  # warm_up and always_on
    return Camera(described, lambda _: kind(script))


@pytest.mark.parametrize(
    ("kind", "settings", "level"),
    [(DarkAtFirst, {}, DARK), (DarkAtFirst, {"warm_up": 0.4}, LIGHT), (SaysSo, {}, LIGHT)],
    ids=["no setting", "warm_up", "metadata"],
)
async def test_each_still_after_a_rest_is_taken_after_the_dark_pictures(
    kind: type[DarkAtFirst], settings: dict[str, float], level: int
) -> None:
    dark = dark_camera(kind, **settings)
    async with supervised(dark):
        for _ in range(2):
            frame = await dark.still(time.monotonic())
            assert abs(level_of(frame.jpeg) - level) < 5
            await until(lambda: dark.state is CameraState.IDLE)


async def test_a_snapshot_of_any_age_is_not_dark_and_a_viewer_sees_the_first_picture(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    dark = dark_camera(DarkAtFirst, warm_up=0.4)
    async with serving(tmp_path, [dark]) as served:
        await until(lambda: dark.state is CameraState.IDLE)
        async with client.get(f"{served.url}/stream") as response:
            head = await response.content.readuntil(b"\r\n\r\n")
            first = await response.content.readexactly(int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0]))
            assert abs(level_of(first) - DARK) < 5
            async with client.get(f"{served.url}/snapshot.jpg?max_age=60000") as still:
                assert abs(level_of(await still.read()) - LIGHT) < 5
            async with client.post(f"{served.url}/api/cameras/front/snapshots") as kept:
                assert kept.status == 201


async def test_a_camera_that_is_always_on_never_rests(tmp_path: Path, client: aiohttp.ClientSession) -> None:
    dark = dark_camera(DarkAtFirst, always_on=True)
    async with serving(tmp_path, [dark]) as served:
        await until(lambda: dark.broadcast.latest is not None and level_of(dark.broadcast.latest.jpeg) > 100)
        for _ in range(3):
            async with client.get(f"{served.url}/snapshot.jpg") as still:
                assert abs(level_of(await still.read()) - LIGHT) < 5
            assert dark.state is CameraState.LIVE
        dark.disable()
        await until(lambda: dark.state is CameraState.OFF)
