"""The stream behind a proxy that passes on only full blocks."""

import asyncio
import time
from pathlib import Path

import pytest
from pi_mjpeg_server.web.routes import frame_writer

from tests.contract.block_proxy import block_proxy
from tests.server.support.scripted_camera import Script, camera, grey, serving, until

BLOCK = 64 * 1024
PICTURE = 16_000


async def test_a_picture_of_a_still_scene_is_late_by_the_time_in_which_its_repetitions_fill_a_block(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_writer, "REPEAT_INTERVAL", 0.1)
    script = Script(fps=1, padding=PICTURE, picture=grey(1))
    async with (
        serving(tmp_path, [camera(script, linger=5)]) as served,
        block_proxy(int(served.url.rpartition(":")[2]), BLOCK) as port,
    ):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 20)
        writer.write(b"GET /stream HTTP/1.0\r\n\r\n")
        await reader.readuntil(grey(1))
        script.picture = grey(200)
        reading = asyncio.create_task(reader.readuntil(grey(200)))
        frames = script.frames
        await until(lambda: script.frames > frames)
        captured = time.monotonic()
        await reading
        # Five repetitions fill a block; without them four frames would, in four seconds.
        assert time.monotonic() - captured < 1.5
        writer.close()
