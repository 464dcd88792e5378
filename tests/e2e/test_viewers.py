"""Many viewers and different clients share one capture."""

import asyncio
import subprocess
from pathlib import Path
from typing import Any

import aiohttp
import cv2
import pytest
from playwright.async_api import Browser
from tooling.hass_client import until
from tooling.programs import program
from tooling.server import Server

from tests.e2e.pictures import pixels, size, until_true

pytestmark = pytest.mark.asyncio(loop_scope="session")

_VIEWERS = 20
_FRAMES = 30


async def _camera(session: aiohttp.ClientSession, server: Server) -> dict[str, Any]:
    async with session.get(f"{server.url}/api/state") as response:
        camera: dict[str, Any] = (await response.json())["cameras"][0]
        return camera


async def _watch(
    session: aiohttp.ClientSession, server: Server, had_frames: asyncio.Barrier, leave: asyncio.Event
) -> set[bytes]:
    """Receive some frames, stay connected until `leave` is set, and return the frames."""
    async with session.get(f"{server.url}/stream") as response:
        reader = aiohttp.MultipartReader.from_response(response)
        frames = set()
        for _ in range(_FRAMES):
            part = await reader.next()
            assert isinstance(part, aiohttp.BodyPartReader)
            frames.add(bytes(await part.read()))
        await had_frames.wait()
        await leave.wait()
        return frames


async def test_twenty_viewers_share_one_capture_which_stops_when_the_last_has_left(server: Server) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector) as session:
        before = await _camera(session, server)
        assert before["viewers"] == []
        had_frames, leave = asyncio.Barrier(_VIEWERS + 1), asyncio.Event()
        watching = [asyncio.create_task(_watch(session, server, had_frames, leave)) for _ in range(_VIEWERS)]
        async with asyncio.timeout(60):
            await had_frames.wait()
        during = await _camera(session, server)
        leave.set()
        pictures: set[bytes] = set().union(*[await task for task in watching])

        async def idle() -> dict[str, Any] | None:
            camera = await _camera(session, server)
            return camera if camera["state"] == "idle" and not camera["viewers"] else None

        idling = await until(idle, "the capture has stopped", 10)
        await asyncio.sleep(1)
        assert (await _camera(session, server))["frames"] == idling["frames"]

    assert during["state"] == "live"
    assert len(during["viewers"]) == _VIEWERS
    # One capture made all frames: the clock in the emulated picture makes each of them different.
    assert _FRAMES <= len(pictures) <= idling["frames"] - before["frames"]
    assert during["measured_fps"] < 40


async def test_curl_receives_pictures(server: Server, tmp_path: Path) -> None:
    body = tmp_path / "body"
    arguments = ["--silent", "--max-time", "2", "--output", str(body), f"{server.url}/stream"]
    ended = await asyncio.to_thread(lambda: subprocess.run([program("curl"), *arguments], check=False))
    assert ended.returncode == 28  # curl's own timeout: the stream does not end
    parts = body.read_bytes().split(b"--frame\r\n")[1:-1]
    assert len(parts) > 20
    assert {size(part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")) for part in parts} == {(1280, 720)}


async def test_ffmpeg_decodes_thirty_frames_without_a_warning(server: Server) -> None:
    arguments = ["-hide_banner", "-loglevel", "warning", "-f", "mpjpeg", "-i", f"{server.url}/stream"]
    command = [str(program("ffmpeg")), *arguments, "-frames:v", "30", "-f", "framemd5", "-"]

    def decoded() -> subprocess.CompletedProcess[str]:
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)

    done = await asyncio.to_thread(decoded)
    assert done.stderr == ""
    frames = [line for line in done.stdout.splitlines() if not line.startswith("#")]
    assert len(frames) == 30
    assert len({line.rsplit(",", 1)[1] for line in frames}) > 20


async def test_opencv_captures(server: Server) -> None:
    def captured() -> set[bytes]:
        capture = cv2.VideoCapture(f"{server.url}/stream")
        try:
            pictures = [capture.read() for _ in range(10)]
        finally:
            capture.release()
        assert all(successful for successful, _ in pictures)
        assert {picture.shape for _, picture in pictures} == {(720, 1280, 3)}
        return {picture.tobytes() for _, picture in pictures}

    assert len(await asyncio.to_thread(captured)) > 5


async def test_chromium_shows_the_stream_in_an_img(server: Server, browser: Browser) -> None:
    page = await browser.new_page()
    try:
        # A page of the same origin as the server's own page.
        await page.route(f"{server.url}/plain", lambda route: route.fulfill(body="", content_type="text/html"))
        await page.goto(f"{server.url}/plain")
        await page.set_content('<img id="live" src="/stream">')
        live = page.locator("#live")
        await until_true(page, "document.querySelector('#live').naturalWidth > 0")
        first = await pixels(live)
        await asyncio.sleep(1)
        assert await pixels(live) != first
        assert await live.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [1280, 720]
    finally:
        await page.close()
