"""What one viewer gets: the newest frame, in the layout it can use, for as long as it takes what it is sent."""

import asyncio
import contextlib
import itertools
import socket
from collections.abc import AsyncIterator

import aiohttp
import pytest
from yarl import URL

from custom_components.pi_mjpeg.api.client import PiMjpegClient
from custom_components.pi_mjpeg.api.multipart import MultipartParser
from custom_components.pi_mjpeg.streaming import frame_writer
from custom_components.pi_mjpeg.streaming.hub import Hub
from tests.component.conftest import until
from tests.component.support.fake_pi import CAMERA, Pi, jpeg, number_of
from tests.component.support.hubs import make_hub, serving
from tests.contract.block_proxy import block_proxy
from tests.contract.viewer_contract import BROWSER, BROWSERS, MACHINE, PROGRAMS


class Dashboard:
    """A page that shows the hub's camera."""

    def __init__(self, hub: Hub, port: int) -> None:
        self.hub = hub
        self.port = port

    async def open(self, accept: str = MACHINE) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Connect a viewer who takes very little at a time, and return past the response's headers."""
        connection = socket.socket()
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8192)
        connection.setblocking(False)  # noqa: FBT003 - the standard library has no keyword for it
        await asyncio.get_running_loop().sock_connect(connection, ("127.0.0.1", self.port))
        reader, writer = await asyncio.open_connection(sock=connection, limit=8192)
        # HTTP/1.0, so that the body comes as it is, without chunks.
        writer.write(f"GET / HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
        headers = await reader.readuntil(b"\r\n\r\n")
        assert b"multipart/x-mixed-replace; boundary=frame\r\n" in headers
        return reader, writer


@pytest.fixture
async def dashboard(pi: Pi) -> AsyncIterator[Dashboard]:
    """A dashboard in front of the Pi."""
    async with aiohttp.ClientSession() as session:
        client = PiMjpegClient(session, URL(pi.url))
        hub = make_hub(lambda: client.stream(CAMERA))
        async with serving(hub) as port:
            yield Dashboard(hub, port)


async def film(pi: Pi, *, fps: int, size: int) -> None:
    """Show a new picture `fps` times a second, for ever."""
    number = 0
    while True:
        number += 1
        pi.show(jpeg(number, size))
        await asyncio.sleep(1 / fps)


async def numbers(
    reader: asyncio.StreamReader, seconds: float, *, rate: float | None = None, pi: Pi
) -> list[tuple[int, int]]:
    """Watch for a while, at most `rate` bytes a second; return each picture's number, and what was newest then."""
    parser = MultipartParser("frame", max_part=1 << 20)
    seen: list[tuple[int, int]] = []
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            while data := await reader.read(4096):
                seen.extend((number_of(part.body), number_of(pi.latest)) for part in parser.feed(data))
                if rate:
                    await asyncio.sleep(len(data) / rate)
    return seen


async def test_a_slow_viewer_sees_recent_pictures_and_delays_no_other(dashboard: Dashboard, pi: Pi) -> None:
    """At 30 pictures of 60 kB a second, it takes 300 kB/s: with the kernel's own buffers it would see the past."""
    filming = asyncio.create_task(film(pi, fps=30, size=60_000))
    (slow, slow_writer), (fast, fast_writer) = await dashboard.open(), await dashboard.open()
    slow_saw, fast_saw = await asyncio.gather(numbers(slow, 5, rate=300_000, pi=pi), numbers(fast, 5, pi=pi))
    filming.cancel()
    slow_writer.close()
    fast_writer.close()
    assert len(fast_saw) > 100
    assert max(newest - seen for seen, newest in fast_saw) <= 3
    assert 10 < len(slow_saw) < 40
    # The pictures behind: one in flight, one in the kernel, and what fits in the viewer's own buffer; 30 are a second.
    assert max(newest - seen for seen, newest in slow_saw[2:]) <= 24
    assert pi.streams == 1


async def test_a_viewer_that_reads_nothing_is_disconnected(
    dashboard: Dashboard, pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_writer, "DRAIN_TIMEOUT", 0.5)
    filming = asyncio.create_task(film(pi, fps=10, size=2_000_000))
    reader, writer = await dashboard.open()
    await until(lambda: dashboard.hub.viewers == 1)
    await until(lambda: dashboard.hub.viewers == 0, seconds=5)
    filming.cancel()
    with contextlib.suppress(ConnectionResetError):
        while await reader.read(65536):
            pass
    writer.close()


async def test_a_machine_gets_lengths_and_the_boundary_right_after_each_part(dashboard: Dashboard, pi: Pi) -> None:
    pi.show(jpeg(1))
    reader, writer = await dashboard.open()
    expected = (
        b"--frame\r\nContent-Type: image/jpeg\r\n"
        + b"Content-Length: %d\r\nX-Timestamp: 1.000000\r\n\r\n" % len(jpeg(1))
        + jpeg(1)
        + b"\r\n--frame\r\n"
    )
    assert await reader.readexactly(len(expected)) == expected
    writer.close()


async def test_a_browser_gets_the_next_parts_headers_in_advance(dashboard: Dashboard, pi: Pi) -> None:
    pi.show(jpeg(1))
    reader, writer = await dashboard.open(BROWSER)
    headers = b"--frame\r\nContent-Type: image/jpeg\r\n\r\n"
    expected = headers + jpeg(1) + b"\r\n" + headers
    async with asyncio.timeout(0.8):  # sooner than the repetition
        assert await reader.readexactly(len(expected)) == expected
    writer.close()


@pytest.mark.parametrize("accept", [*PROGRAMS, *BROWSERS])
async def test_only_a_browser_gets_parts_without_a_length(dashboard: Dashboard, pi: Pi, accept: str) -> None:
    pi.show(jpeg(1))
    reader, writer = await dashboard.open(accept)
    received = await reader.readuntil(jpeg(1))
    assert (b"Content-Length" not in received) is (accept in BROWSERS)
    writer.close()


@pytest.mark.parametrize("accept", [MACHINE, BROWSER])
async def test_across_a_gap_the_last_picture_is_repeated_then_a_drawn_one_and_live_ones_follow(
    dashboard: Dashboard, pi: Pi, accept: str
) -> None:
    pi.show(jpeg(1))
    reader, writer = await dashboard.open(accept)
    parser = MultipartParser("frame", max_part=1 << 20)
    seen: list[int] = []

    async def watch_until(number: int, times: int = 1) -> None:
        async with asyncio.timeout(8):
            while seen.count(number) < times:
                seen.extend(number_of(part.body) for part in parser.feed(await reader.read(4096)))

    await watch_until(1)
    port = pi.port
    await pi.stop()
    await watch_until(1, times=2)
    await watch_until(91, times=2)
    pi.show(jpeg(2))
    await pi.start(port)
    await watch_until(2)
    assert [number for number, _ in itertools.groupby(seen)] == [1, 91, 2]
    writer.close()


async def test_behind_a_proxy_that_passes_on_full_blocks_a_picture_is_late_by_the_time_of_a_block(
    dashboard: Dashboard, pi: Pi, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_writer, "REPEAT_INTERVAL", 0.1)
    size = 16_000
    async with block_proxy(dashboard.port, 64 * 1024) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(b"GET / HTTP/1.0\r\n\r\n")
        pi.show(jpeg(1, size))
        async with asyncio.timeout(5):
            await reader.readuntil(jpeg(1, size)[:20])
        pi.show(jpeg(2, size))
        # Five repetitions fill a block.
        async with asyncio.timeout(2):
            await reader.readuntil(jpeg(2, size)[:20])
        writer.close()


async def test_a_viewer_that_connects_while_the_pi_is_off_waits_for_it(dashboard: Dashboard, pi: Pi) -> None:
    port = pi.port
    await pi.stop()
    reader, writer = await dashboard.open()
    assert await reader.readexactly(9) == b"--frame\r\n"
    pi.show(jpeg(5))
    await pi.start(port)
    async with asyncio.timeout(5):
        assert await reader.readuntil(jpeg(5))
    writer.close()


async def test_a_viewer_that_leaves_is_no_longer_counted(dashboard: Dashboard) -> None:
    _, writer = await dashboard.open()
    await until(lambda: dashboard.hub.viewers == 1)
    writer.close()
    await until(lambda: dashboard.hub.viewers == 0, seconds=2)


async def test_closing_the_hub_ends_the_response(dashboard: Dashboard, pi: Pi) -> None:
    pi.show(jpeg(1))
    reader, writer = await dashboard.open()
    await reader.readexactly(20)
    await dashboard.hub.close()
    async with asyncio.timeout(2):
        await reader.read()
        while await reader.read(4096):
            pass
    writer.close()
