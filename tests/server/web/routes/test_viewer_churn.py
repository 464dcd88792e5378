"""Viewers that come and go at random: none hangs, and nothing is left behind."""

import asyncio
import contextlib
import gc
import random
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

from pi_mjpeg_server.camera.state import CameraState

from tests.server.support.scripted_camera import Script, camera, serving, until

SECONDS = 15
VIEWERS = 3


@contextlib.asynccontextmanager
async def _watching(url: str) -> AsyncIterator[asyncio.StreamReader]:
    address = urlsplit(url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        yield reader
    finally:
        writer.close()


async def _come_and_go(url: str, until_when: float, chance: random.Random) -> int:
    """Watch for a moment, leave, and come again. Return how many pictures arrived. Fails when one does not arrive."""
    pictures = 0
    while time.monotonic() < until_when:
        async with _watching(url) as reader:
            await reader.readuntil(b"--frame\r\n")
            for _ in range(chance.choice((0, 1, 1, 5))):
                async with asyncio.timeout(3):
                    headers = await reader.readuntil(b"\r\n\r\n")
                    length = int(headers.split(b"Content-Length: ")[1].split(b"\r\n")[0])
                    await reader.readexactly(length + 11)
                pictures += 1
        await asyncio.sleep(chance.choice((0, 0.01, 0.05, 0.2)))
    return pictures


def _descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_random_viewers_never_hang_and_leave_nothing_behind(tmp_path: Path) -> None:
    script = Script()
    seed = random.SystemRandom().randrange(2**32)
    # Without linger, the camera stops each time that nobody watches, which is where races would be.
    async with serving(tmp_path, [camera(script, linger=0)]) as served:
        cam = served.server.cameras[0]
        await until(lambda: cam.state is CameraState.IDLE and script.frames > 0)
        threads, descriptors = threading.active_count(), _descriptors()
        end = time.monotonic() + SECONDS
        chances = [random.Random(seed + number) for number in range(VIEWERS)]  # noqa: S311  (a test's chance)
        pictures = await asyncio.gather(*(_come_and_go(served.url, end, chance) for chance in chances))
        assert min(pictures) > 10, f"seed {seed}"
        assert script.captures > 20, f"seed {seed}: the camera hardly ever stopped"
        await until(lambda: cam.state is CameraState.IDLE and not cam.viewers)
        gc.collect()
        assert script.capturing == 0
        assert script.opened == 1
        assert threading.active_count() <= threads + 1
        await until(lambda: _descriptors() <= descriptors + 1)
