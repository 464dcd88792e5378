"""The live picture at a width of the viewer's choice, over real sockets."""

import asyncio
import contextlib
import io
import itertools
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.camera import scaled_streams
from pi_mjpeg_server.media import scaling
from pi_mjpeg_server.media.jpeg import with_orientation
from pi_mjpeg_server.sources import SourceInfo
from pi_mjpeg_server.web.routes import frame_writer
from PIL import Image

from tests.contract.viewer_contract import Half, test_a_slow_viewer_sees_recent_pictures_and_delays_nobody
from tests.server.media.test_scaling import is_light, jpeg
from tests.server.support.scripted_camera import Script, Served, camera, grey, serving, until
from tests.server.web.routes.test_stream import BROWSER, Reader, watching

__all__ = ["test_a_slow_viewer_sees_recent_pictures_and_delays_nobody"]

SIZE = (320, 180)
LIVE = grey(200, SIZE)


@pytest.fixture
def script() -> Script:
    return Script(picture=LIVE, source_info=SourceInfo(model="Scripted", size=SIZE, fps=50))


@pytest.fixture
async def half(tmp_path: Path) -> AsyncIterator[Half]:
    """Scaled frames of 70 kB."""
    noise = io.BytesIO()
    Image.effect_noise((420, 315), 120).save(noise, "JPEG")
    script = Script(picture=noise.getvalue(), source_info=SourceInfo(size=(420, 315)))
    async with serving(tmp_path, [camera(script)]) as served:
        port = int(served.url.rpartition(":")[2])
        yield Half(frame_writer, port, "/stream?width=410", script, lambda: len(served.server.cameras[0].viewers))


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[int | None]:
    """Return a list that gets the width of each picture that is scaled."""
    widths: list[int | None] = []
    scale, lock = scaling._scale, threading.Lock()  # noqa: SLF001  (the only place to count them)

    def counting(picture: bytes, width: int | None, *others: Any) -> bytes:  # noqa: ANN401  (its own)
        with lock:
            widths.append(width)
        return scale(picture, width, *others)

    monkeypatch.setattr(scaling, "_scale", counting)
    return widths


def opened(body: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(body))
    image.load()
    return image


async def live_part(reader: Reader) -> tuple[dict[str, str], Image.Image]:
    """Return the headers and the picture of the next part that is not a drawn picture."""
    async with asyncio.timeout(5):
        while True:
            headers, body = await reader.part()
            if "X-Picture" not in headers:
                return headers, opened(body)


async def error_of(client: aiohttp.ClientSession, url: str) -> tuple[int, dict[str, str], str | None]:
    async with client.get(url) as response:
        return response.status, (await response.json())["error"], response.headers.get("Retry-After")


@pytest.mark.parametrize(
    "path", ["/cameras/front/stream?", "/stream?", "/video_feed?", "/?action=stream&", "/webcam/?action=stream&"]
)
async def test_each_path_of_the_stream_gives_pictures_of_the_width(served: Served, path: str) -> None:
    async with watching(f"{served.url}{path}width=160&fps=20") as reader:
        for _ in range(3):
            _, image = await live_part(reader)
            assert (image.format, image.size) == ("JPEG", (160, 90))


async def test_its_pictures_take_fewer_bytes_than_a_still_of_the_width(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    noise = io.BytesIO()
    Image.effect_noise(SIZE, 60).save(noise, "JPEG")
    script.picture = noise.getvalue()
    async with client.get(f"{served.url}/snapshot.jpg?width=160") as response:
        still = await response.read()
    async with watching(f"{served.url}/stream?width=160") as reader:
        await live_part(reader)
        await live_part(reader)
        headers, _ = await live_part(reader)
    assert int(headers["Content-Length"]) < 0.9 * len(still)


async def test_a_browser_and_a_head_request_work_as_usual(served: Served, client: aiohttp.ClientSession) -> None:
    async with watching(f"{served.url}/stream?width=160", headers=BROWSER) as reader:
        stream = reader._reader  # noqa: SLF001  (these parts have no lengths)
        opening = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        assert await stream.readexactly(len(opening)) == opening
        part = await stream.readuntil(opening)
        assert opened(part[: -len(opening)]).size == (160, 90)
    async with client.head(f"{served.url}/stream?width=160") as response:
        assert response.status == 200


@pytest.mark.parametrize("width", [320, 321, 8192])
async def test_a_picture_is_never_enlarged(served: Served, script: Script, made: list[int | None], width: int) -> None:
    script.picture = turned = with_orientation(LIVE, 3)
    async with watching(f"{served.url}/stream?width={width}") as reader:
        while (await reader.part())[1] != turned:
            pass
        assert (await reader.part())[1] == turned
    assert made == []


async def test_a_camera_whose_size_is_not_known_is_not_enlarged_either(served: Served, script: Script) -> None:
    served.server.cameras[0].source_info = SourceInfo()
    script.source_info = SourceInfo()
    async with watching(f"{served.url}/stream?width=500") as reader:
        while (await reader.part())[1] != LIVE:
            pass


@pytest.mark.parametrize(
    "query", ["width=0", "width=15", "width=-640", "width=8193", "width=640.5", "width=abc", "width=", "width=nan"]
)
async def test_a_width_that_is_none_is_refused(served: Served, client: aiohttp.ClientSession, query: str) -> None:
    status, error, _ = await error_of(client, f"{served.url}/stream?{query}")
    assert (status, error["code"]) == (400, "bad_request")
    assert "width" in error["message"]


async def test_ten_viewers_of_a_width_share_one_scaling_of_each_frame(
    served: Served, script: Script, made: list[int | None]
) -> None:
    script.fps = 20
    async with contextlib.AsyncExitStack() as stack:
        readers = [
            await stack.enter_async_context(watching(f"{served.url}/stream?width={width}"))
            for width in (160, 80)
            for _ in range(10)
        ]
        await asyncio.gather(*(live_part(reader) for reader in readers))
        made.clear()
        frames = script.frames
        for _ in range(15):
            await asyncio.gather(*(reader.part() for reader in readers))
        captured = script.frames - frames
        assert captured >= 13
        for width in (160, 80):
            assert captured - 3 <= made.count(width) <= captured + 1
    await until(lambda: not served.server.cameras[0].viewers, 1)
    # Another viewer keeps the camera running.
    async with watching(f"{served.url}/stream") as reader:
        await asyncio.sleep(0.1)
        made.clear()
        for _ in range(5):
            await reader.part()
    assert made == []


async def test_no_frames_are_scaled_beyond_the_highest_rate_asked_for(
    served: Served, script: Script, made: list[int | None]
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        url = f"{served.url}/stream?width=160&fps="
        slow, quick = [await stack.enter_async_context(watching(url + fps)) for fps in ("4", "10")]
        # The rate of a camera that has just started is not known yet.
        await asyncio.sleep(0.7)
        made.clear()
        began, frames = time.monotonic(), script.frames
        await asyncio.sleep(2)
        scaled, seconds = len(made), time.monotonic() - began
        assert script.frames - frames > 50
        assert scaled == pytest.approx(10 * seconds, abs=3)
        counts = sorted(viewer.send_rate.per_second(time.monotonic()) for viewer in served.server.cameras[0].viewers)
        assert counts == pytest.approx([4, 10], rel=0.2)
        await live_part(slow)
        await live_part(quick)


async def test_a_fifth_width_is_refused_in_words_until_one_is_free(
    served: Served, client: aiohttp.ClientSession
) -> None:
    assert scaled_streams.MAX_WIDTHS == 4
    async with contextlib.AsyncExitStack() as stack:
        for width in (200, 80, 160, 120):
            await stack.enter_async_context(watching(f"{served.url}/stream?width={width}"))
        async with watching(f"{served.url}/stream?width=40") as refused:
            assert b"503" in refused.head
        status, error, retry_after = await error_of(client, f"{served.url}/stream?width=40")
        assert (status, error["code"]) == (503, "too_many_widths")
        assert error["message"].endswith("ask for one of 80, 120, 160, 200")
        assert retry_after is not None
        assert len(served.server.cameras[0].viewers) == 4
        # One of those, and the camera's own, are still to be had.
        for more in ("width=80", "width=320", ""):
            async with watching(f"{served.url}/stream?{more}") as reader:
                await live_part(reader)
    await until(lambda: not served.server.cameras[0].viewers, 1)
    async with watching(f"{served.url}/stream?width=40") as reader:
        _, image = await live_part(reader)
        assert image.width == 40


async def test_each_camera_has_its_own_widths(tmp_path: Path, script: Script) -> None:
    other = Script(picture=grey(60, SIZE), source_info=script.source_info)
    async with (
        serving(tmp_path, [camera(script), camera(other, "shed")]) as served,
        watching(f"{served.url}/cameras/front/stream?width=160") as front,
        watching(f"{served.url}/cameras/front/stream?width=150"),
        watching(f"{served.url}/cameras/front/stream?width=140"),
        watching(f"{served.url}/cameras/front/stream?width=130"),
        watching(f"{served.url}/cameras/shed/stream?width=160") as shed,
    ):
        for reader, is_bright in ((front, True), (shed, False)):
            _, image = await live_part(reader)
            assert is_light(image, 0.5, 0.5) is is_bright


@pytest.mark.parametrize("orientation", [3, 6])
async def test_a_turned_picture_is_upright_and_as_wide_as_asked_for(
    served: Served, script: Script, orientation: int
) -> None:
    script.picture = with_orientation(jpeg("RGB", (320, 180)), orientation)
    async with watching(f"{served.url}/stream?width=90") as reader:
        await live_part(reader)
        _, image = await live_part(reader)
    assert image.size == ((90, 51) if orientation == 3 else (90, 160))
    assert 0x0112 not in image.getexif()
    # Of a picture with a dark left half, by EXIF 2.3, tag 0x0112.
    dark, light = ((0.9, 0.5), (0.1, 0.5)) if orientation == 3 else ((0.5, 0.1), (0.5, 0.9))
    assert not is_light(image, *dark)
    assert is_light(image, *light)


async def test_a_part_has_the_capture_time_of_its_frame(served: Served, script: Script) -> None:
    script.delay = 0.3
    async with (
        watching(f"{served.url}/stream") as whole,
        watching(f"{served.url}/stream?width=160") as small,
    ):
        await live_part(whole)
        await live_part(small)
        captured = {(await live_part(whole))[0]["X-Timestamp"] for _ in range(40)}
        scaled = {(await live_part(small))[0]["X-Timestamp"] for _ in range(20)}
    assert len(scaled & captured) >= 15
    assert min(map(float, scaled)) == pytest.approx(time.time() - 0.3, abs=2)


async def test_a_camera_that_fails_or_is_off_shows_a_drawn_picture_of_the_width(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    async with watching(f"{served.url}/stream?width=160&fps=0.05") as reader:
        await live_part(reader)
        async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": False}) as response:
            assert response.status == 200
        off = time.monotonic()
        headers, body = await asyncio.wait_for(reader.part(), 5)
        assert time.monotonic() - off < 1
        assert headers["X-Picture"] == "drawn"
        assert opened(body).size == (160, 90)
        script.fail_open = "the ribbon is loose"
        async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": True}) as response:
            assert response.status == 200
        until_failing = time.monotonic() + 5
        while served.server.cameras[0].available:
            assert time.monotonic() < until_failing
            await asyncio.sleep(0.02)
        for _ in range(3):
            headers, body = await asyncio.wait_for(reader.part(), 5)
            assert headers["X-Picture"] == "drawn"
            assert opened(body).size == (160, 90)
        script.fail_open = None
        await live_part(reader)


async def test_no_live_picture_passes_once_the_camera_is_off(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the one that is being scaled, nor the last one again, nor one to a viewer who comes then."""
    scale, release = scaling._scale, threading.Event()  # noqa: SLF001  (the slow part, in the thread)
    release.set()

    def slow(picture: bytes, *arguments: Any) -> bytes:  # noqa: ANN401  (its own)
        if picture == LIVE:
            release.wait(10)
        return scale(picture, *arguments)

    monkeypatch.setattr(scaling, "_scale", slow)
    monkeypatch.setattr(frame_writer, "REPEAT_INTERVAL", 0.3)
    url = f"{served.url}/stream?width=160"
    async with watching(url) as early:
        await live_part(early)
        # A picture takes long from now on. What is on its way arrives before.
        release.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(0.2):
                while True:
                    await early.part()
        async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": False}) as response:
            assert response.status == 200
        async with watching(url) as late:
            for reader in (early, late):
                headers, _ = await asyncio.wait_for(reader.part(), 2)
                assert headers["X-Picture"] == "drawn"
            release.set()
            for reader in (early, late):
                for _ in range(2):
                    headers, _ = await asyncio.wait_for(reader.part(), 3)
                    assert headers["X-Picture"] == "drawn"


async def test_viewers_of_a_width_are_counted_and_limited_as_others(
    tmp_path: Path, script: Script, client: aiohttp.ClientSession
) -> None:
    async with (
        serving(tmp_path, [camera(script)], max_viewers_per_camera=2) as served,
        watching(f"{served.url}/stream?width=160") as small,
        watching(f"{served.url}/stream"),
    ):
        for _ in range(5):
            await live_part(small)
        status, error, _ = await error_of(client, f"{served.url}/stream?width=160")
        assert (status, error["code"]) == (503, "too_many_viewers")
        async with client.get(f"{served.url}/api/state") as response:
            state = await response.json()
        assert state["server"]["viewers"] == 2
        viewers = state["cameras"][0]["viewers"]
        assert [viewer["width"] for viewer in viewers] == [160, None]
        assert viewers[0]["sent"] >= 5
        async with client.get(f"{served.url}/metrics") as response:
            metrics = await response.text()
        values = dict(line.rsplit(" ", 1) for line in metrics.splitlines() if not line.startswith("#"))
        assert float(values['pi_mjpeg_viewers{camera="front"}']) == 2
        assert float(values['pi_mjpeg_scaled_frames_total{camera="front"}']) >= 5
        assert 'pi_mjpeg_scaled_frames_dropped_total{camera="front"}' in values


async def test_damaged_frames_cost_only_themselves(served: Served, script: Script) -> None:
    async with watching(f"{served.url}/stream?width=160") as reader:
        await live_part(reader)
        script.picture = LIVE[: len(LIVE) // 2]
        await asyncio.sleep(0.3)
        script.picture = LIVE
        for _ in range(5):
            _, image = await live_part(reader)
            assert image.size == (160, 90)
    assert served.server.scaled_streams.counts["front"].dropped > 3


async def test_the_repeated_frame_is_the_scaled_one(served: Served, script: Script) -> None:
    async with watching(f"{served.url}/stream?width=160&fps=0.4") as reader:
        times = []
        for _ in range(3):
            headers, image = await live_part(reader)
            assert image.size == (160, 90)
            times.append((headers["X-Timestamp"], time.monotonic()))
    assert times[0][0] == times[1][0]
    assert all(later[1] - earlier[1] < 1.3 for earlier, later in itertools.pairwise(times))
    assert script.frames > 50
