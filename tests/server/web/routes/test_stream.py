"""The live picture over real sockets."""

import asyncio
import contextlib
import itertools
import socket
import statistics
import struct
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from pi_mjpeg_server.camera.state import CameraState

from tests.server.support.scripted_camera import Script, Served, camera, level_of, serving, until

BROWSER = {"Accept": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8"}


class Reader:
    """Reads the parts of a stream by their Content-Length, and keeps the head of the response."""

    def __init__(self, reader: asyncio.StreamReader, head: bytes) -> None:
        """Read from behind the head of the response."""
        self.head = head
        self._reader = reader

    async def part(self) -> tuple[dict[str, str], bytes]:
        """Return the headers and body of the next part, after reading the boundary behind it."""
        lines = (await self._reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines if line)
        body = await self._reader.readexactly(int(headers["Content-Length"]))
        assert await self._reader.readexactly(11) == b"\r\n--frame\r\n"
        return headers, body


@contextlib.asynccontextmanager
async def watching(url: str, *, version: str = "1.1", headers: dict[str, str] | None = None) -> AsyncIterator[Reader]:
    """Open a stream on a plain socket. Only the socket's own buffer reads ahead."""
    parts = urlsplit(url)
    reader, writer = await asyncio.open_connection(parts.hostname, parts.port, limit=4096)
    path = parts.path + (f"?{parts.query}" if parts.query else "")
    lines = [f"GET {path} HTTP/{version}", f"Host: {parts.netloc}"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    writer.write("\r\n".join([*lines, "", ""]).encode())
    try:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"200 OK" in head and headers is None:
            assert await reader.readexactly(9) == b"--frame\r\n"
        yield Reader(reader, head)
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


@contextlib.asynccontextmanager
async def one_camera(folder: Path, script: Script, linger: float = 0.1) -> AsyncIterator[Served]:
    async with serving(folder, [camera(script, linger=linger)]) as served:
        await until(lambda: served.server.cameras[0].state is CameraState.IDLE and script.frames > 0)
        yield served


@pytest.mark.parametrize("path", ["/cameras/front/stream", "/stream", "/video_feed", "/?action=stream"])
async def test_each_path_of_the_stream_gives_different_pictures_that_decode(tmp_path: Path, path: str) -> None:
    async with one_camera(tmp_path, Script()) as served, watching(served.url + path) as reader:
        levels = [level_of((await reader.part())[1]) for _ in range(10)]
        assert len(set(levels)) == 10


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_it_is_not_chunked_and_not_cacheable(tmp_path: Path, version: str) -> None:
    async with one_camera(tmp_path, Script()) as served, watching(served.url + "/stream", version=version) as reader:
        head = reader.head.decode().lower()
        assert "content-type: multipart/x-mixed-replace; boundary=frame\r\n" in head
        assert "no-store" in head
        assert "transfer-encoding" not in head
        assert "content-length" not in head
        headers, _ = await reader.part()
        assert set(headers) == {"Content-Type", "Content-Length", "X-Timestamp"}
        assert abs(float(headers["X-Timestamp"]) - time.time()) < 2


async def test_a_browser_gets_the_headers_of_the_next_part_in_advance(tmp_path: Path) -> None:
    async with (
        one_camera(tmp_path, Script()) as served,
        watching(served.url + "/stream", headers=BROWSER) as reader,
    ):
        opening = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
        stream = reader._reader  # noqa: SLF001  (these parts have no lengths)
        assert await stream.readexactly(len(opening)) == opening
        for _ in range(3):
            part = await stream.readuntil(opening)
            assert part.startswith(b"\xff\xd8")
            level_of(part[: -len(opening)])


async def test_twenty_viewers_share_one_capture_which_stops_after_the_last(tmp_path: Path) -> None:
    script = Script()
    async with one_camera(tmp_path, script) as served:
        before = script.captures
        async with contextlib.AsyncExitStack() as stack:
            readers = [await stack.enter_async_context(watching(served.url + "/stream")) for _ in range(20)]
            for reader in readers:
                for _ in range(3):
                    await reader.part()
            assert len(served.server.cameras[0].viewers) == 20
            assert script.captures == before + 1
            assert script.capturing == 1
        await until(lambda: not served.server.cameras[0].viewers, 1)
        await until(lambda: script.capturing == 0, 2)
        assert served.server.cameras[0].state is CameraState.IDLE


async def test_a_viewer_that_does_not_read_delays_nobody_and_gets_recent_frames_when_it_reads_again(
    tmp_path: Path,
) -> None:
    script = Script(fps=30, padding=90_000)
    async with one_camera(tmp_path, script) as served:
        address = urlsplit(served.url)
        with socket.create_connection((address.hostname, address.port)) as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
            slow.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            async with watching(served.url + "/stream") as quick:
                await quick.part()
                began, frames = time.monotonic(), script.frames
                for _ in range(60):
                    await quick.part()
                produced = script.frames - frames
                assert abs(produced - 60) <= 2
                assert time.monotonic() - began < 60 / 30 * 1.5
            # Either of the two may have been first.
            viewer = min(served.server.cameras[0].viewers, key=lambda viewer: viewer.send_rate.count)
            assert viewer.send_rate.count < 30
            reader, writer = await asyncio.open_connection(sock=slow.dup())
            await reader.readuntil(b"--frame\r\n")
            stream = Reader(reader, b"")
            # What was in the buffers of the kernel is old; all frames after that are recent.
            headers = [(await stream.part())[0] for _ in range(12)]
            assert time.time() - float(headers[-1]["X-Timestamp"]) < 1
            writer.close()


@pytest.mark.parametrize("fps", [25, 10, 5])
async def test_a_viewer_can_ask_for_fewer_frames_and_gets_them_evenly_and_recent(tmp_path: Path, fps: int) -> None:
    async with one_camera(tmp_path, Script(fps=30)) as served, watching(f"{served.url}/stream?fps={fps}") as reader:
        # The rate of a camera that has just started is not known yet.
        for _ in range(fps):
            await reader.part()
        began, taken, ages = time.monotonic(), [], []
        while time.monotonic() - began < 3:
            taken.append(float((await reader.part())[0]["X-Timestamp"]))
            ages.append(time.time() - taken[-1])
        assert abs(len(taken) / (time.monotonic() - began) - fps) < 0.1 * fps
        steps = [later - earlier for earlier, later in itertools.pairwise(taken)]
        # Never as much as a frame of the camera too early or too late.
        assert statistics.median(abs(step - 1 / fps) for step in steps) < 0.02
        assert statistics.median(ages) < 0.02
        viewer = next(iter(served.server.cameras[0].viewers))
        assert viewer.drops == 0


async def test_only_frames_that_a_slow_viewer_asked_for_count_as_dropped(tmp_path: Path) -> None:
    async with one_camera(tmp_path, Script(fps=30, padding=400_000)) as served:
        async with watching(f"{served.url}/stream?fps=5") as reader:
            viewer = next(iter(served.server.cameras[0].viewers))
            await until(lambda: viewer.send_rate.count > 0)
            await asyncio.sleep(3)
            # The kernel's buffers on both sides take some frames; then 5 a second are dropped.
            async with asyncio.timeout(10):
                while not viewer.drops:
                    await reader.part()
        assert viewer.send_rate.count + viewer.drops < 5 * (time.time() - viewer.since) + 3
        assert viewer.drops > 2


async def test_at_a_very_low_rate_the_last_frame_is_repeated_each_second(tmp_path: Path) -> None:
    async with (
        one_camera(tmp_path, Script(fps=30)) as served,
        watching(f"{served.url}/stream?fps=0.4") as reader,
    ):
        seen = [(await reader.part())[0]["X-Timestamp"]]
        began = last = time.monotonic()
        while time.monotonic() - began < 5.5:
            seen.append((await reader.part())[0]["X-Timestamp"])
            assert time.monotonic() - last < 1.2
            last = time.monotonic()
        # New frames at 0, 2.5 and 5 seconds; the others are repeats.
        pictures = list(dict.fromkeys(seen))
        assert len(pictures) == 3
        assert float(pictures[2]) - float(pictures[0]) == pytest.approx(5, abs=0.2)
        assert next(iter(served.server.cameras[0].viewers)).drops == 0


async def test_at_a_very_low_rate_a_failure_of_the_camera_is_shown_at_once(tmp_path: Path) -> None:
    script = Script(fps=30)
    async with one_camera(tmp_path, script) as served, watching(f"{served.url}/stream?fps=0.05") as reader:
        headers, _ = await reader.part()
        assert "X-Picture" not in headers
        script.raise_in_frames = script.fail_open = "the ribbon is loose"
        async with asyncio.timeout(5):
            while "X-Picture" not in headers:
                headers, _ = await reader.part()
        script.raise_in_frames = script.fail_open = None
        async with asyncio.timeout(8):
            while "X-Picture" in headers:
                headers, _ = await reader.part()


async def test_it_is_never_silent_for_more_than_a_second(tmp_path: Path) -> None:
    script = Script()
    async with one_camera(tmp_path, script) as served, watching(served.url + "/stream") as reader:
        # The first one may be of the capture before.
        headers = [(await reader.part())[0] for _ in range(3)][-1]
        script.silent = True
        latest, repeated = headers["X-Timestamp"], False
        async with asyncio.timeout(8):
            while not repeated:
                began = time.monotonic()
                headers, _ = await reader.part()
                assert time.monotonic() - began < 1.3
                repeated = headers["X-Timestamp"] == latest
                latest = headers["X-Timestamp"]


async def test_viewers_of_a_failing_camera_get_a_picture_that_says_so(tmp_path: Path) -> None:
    script = Script(fail_open="the ribbon is loose")
    async with serving(tmp_path, [camera(script)]) as served, watching(served.url + "/stream") as reader:
        headers, body = await reader.part()
        assert headers["X-Picture"] == "drawn"
        level_of(body)
        script.fail_open = None
        while "X-Picture" in headers:
            headers, body = await asyncio.wait_for(reader.part(), 5)
        level_of(body)


async def test_a_viewer_that_left_is_no_longer_counted(tmp_path: Path) -> None:
    async with one_camera(tmp_path, Script(fps=1), linger=60) as served:
        async with watching(served.url + "/stream") as reader:
            await reader.part()
            assert len(served.server.cameras[0].viewers) == 1
        await until(lambda: not served.server.cameras[0].viewers, 0.5)


@pytest.mark.parametrize("query", ["fps=0", "fps=-1", "fps=nan", "fps=inf", "fps=abc", "fps=", "fps=1e9"])
async def test_an_invalid_rate_is_refused(tmp_path: Path, query: str) -> None:
    async with (
        one_camera(tmp_path, Script()) as served,
        aiohttp.ClientSession() as session,
        session.get(f"{served.url}/stream?{query}") as response,
    ):
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad_request"


async def test_viewers_that_leave_before_the_response_are_not_an_error(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with one_camera(tmp_path, Script()) as served:
        address = urlsplit(served.url)
        for _ in range(50):
            with socket.create_connection((address.hostname, address.port)) as early:
                # Makes close() send a reset, as when a phone loses its Wi-Fi.
                early.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                early.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            await asyncio.sleep(0)
        await until(lambda: not served.server.cameras[0].viewers)
        async with watching(served.url + "/stream") as reader:
            await reader.part()
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_an_odd_user_agent_is_shortened_to_text_that_json_can_hold(tmp_path: Path) -> None:
    async with one_camera(tmp_path, Script()) as served:
        parts = urlsplit(served.url)
        with socket.create_connection((parts.hostname, parts.port)) as sock:
            sock.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\nUser-Agent: \xff" + b"x" * 3000 + b"\r\n\r\n")
            await until(lambda: len(served.server.cameras[0].viewers) == 1)
            (viewer,) = served.server.cameras[0].viewers
            assert viewer.agent == "?" + "x" * 199
