"""Switching a camera off over real sockets: who gets no picture any more, and what is kept of it."""

import asyncio
import contextlib
import io
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.media import jpeg, scaling
from PIL import Image

from tests.server.support.api_requests import front, switch
from tests.server.support.scripted_camera import Script, Served, camera, grey, serving, until

BROWSER = {"Accept": "image/avif,image/webp,image/*,*/*;q=0.8"}
STREAMS = ("/cameras/front/stream", "/stream", "/video_feed", "/?action=stream")
SNAPSHOTS = ("/cameras/front/snapshot.jpg", "/snapshot.jpg", "/?action=snapshot")
LIVE = grey(200)
"""Every live picture of these tests; a drawn one is another."""


@pytest.fixture
def script() -> Script:
    return Script(picture=LIVE)


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script, linger=5), camera(Script(), "shed")]) as running:
        await until(lambda: running.server.cameras[0].state is CameraState.IDLE and script.frames > 0)
        yield running


class StreamReader:
    """Records when each part of a stream came, and whether it is live, until it is closed."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.parts: list[tuple[float, bool]] = []
        self.marked: list[bool] = []
        self._task = asyncio.create_task(self._read(response))

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        data = b""
        async for chunk in response.content.iter_any():
            data += chunk
            *whole, data = data.split(b"\r\n--frame\r\n")
            for part in whole:
                self.parts.append((time.monotonic(), LIVE in part))
                self.marked.append(b"X-Picture: drawn" in part)

    def live(self, since: float) -> int:
        """Return how many live pictures came after a time."""
        return sum(live for received, live in self.parts if received > since)

    def drawn(self, since: float) -> list[float]:
        """Return when drawn pictures came after a time."""
        return [received for received, live in self.parts if received > since and not live]

    async def close(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)


@contextlib.asynccontextmanager
async def reading(
    client: aiohttp.ClientSession, url: str, headers: dict[str, str] | None = None
) -> AsyncIterator[StreamReader]:
    async with client.get(url, headers=headers) as response:
        assert response.status == 200
        reader = StreamReader(response)
        try:
            yield reader
        finally:
            await reader.close()


async def test_all_viewers_are_shown_that_it_is_off_and_go_on_when_it_is_on_again(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    async with contextlib.AsyncExitStack() as stack:
        urls: list[tuple[str, dict[str, str] | None]] = [(path, None) for path in STREAMS]
        urls += [("/stream?fps=0.05", None), ("/stream?fps=5", None), ("/stream", BROWSER)]
        readers = [
            await stack.enter_async_context(reading(client, served.url + path, headers)) for path, headers in urls
        ]
        await until(lambda: all(reader.live(0) for reader in readers))
        await switch(client, served, enabled=False)
        await until(lambda: script.closed == 1, 0.2)
        # What was on its way to them when it was switched off.
        await asyncio.sleep(0.05)
        off = time.monotonic()
        assert await until(lambda: all(reader.drawn(off - 0.05) for reader in readers)) < 1
        readers.append(await stack.enter_async_context(reading(client, served.url + "/stream")))
        assert await until(lambda: bool(readers[-1].drawn(off))) < 1
        await asyncio.sleep(2.2)
        for reader in readers:
            assert reader.live(off) == 0
            # About one a second; a busy machine may repeat one in between.
            assert 2 <= len(reader.drawn(off)) <= 8
        assert all(readers[0].marked[-2:])
        on = time.monotonic()
        await switch(client, served, enabled=True)
        await until(lambda: all(reader.live(on) for reader in readers if reader is not readers[len(STREAMS)]))
        assert len(served.server.cameras[0].viewers) == len(readers)


async def test_the_last_live_picture_is_not_repeated_while_the_drawn_one_takes_long(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A Pi Zero that swaps takes seconds to draw, and a full disk may keep Pillow from its font for ever."""

    def fail(*_: object) -> bytes:
        raise OSError("no space left on device")

    monkeypatch.setattr("pi_mjpeg_server.media.placard.draw", fail)
    async with reading(client, served.url + "/stream") as reader:
        await until(lambda: bool(reader.live(0)))
        await switch(client, served, enabled=False)
        await asyncio.sleep(0.1)
        off = time.monotonic()
        await asyncio.sleep(2.5)
        assert reader.live(off) == 0


@pytest.mark.parametrize("path", SNAPSHOTS)
@pytest.mark.parametrize("query", ["", "max_age=60000", "width=32", "width=32&max_age=60000"])
async def test_no_still_is_given_neither_a_new_nor_an_old_one(
    served: Served, client: aiohttp.ClientSession, path: str, query: str
) -> None:
    url = served.url + path + ("&" if "?" in path else "?") + query
    async with client.get(url) as response:
        assert response.status == 200
    await switch(client, served, enabled=False)
    async with client.get(url) as response:
        assert response.status == 409
        assert (await response.json())["error"] == {"code": "camera_off", "message": "Front is switched off"}
    await switch(client, served, enabled=True)
    async with client.get(url) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/api/cameras/front/snapshots", None),
        ("POST", "/api/cameras/front/restart", None),
        ("PATCH", "/api/cameras/front/controls", {"brightness": 2}),
    ],
)
async def test_what_wants_a_picture_or_sets_something_is_refused(
    served: Served, client: aiohttp.ClientSession, script: Script, method: str, path: str, body: object
) -> None:
    await switch(client, served, enabled=False)
    async with client.request(method, served.url + path, json=body) as response:
        assert response.status == 409
        assert (await response.json())["error"]["code"] == "camera_off"
    await asyncio.sleep(0.2)
    assert (script.opened, script.brightness) == (1, 0)
    async with client.request(method, served.url + path.replace("front", "shed"), json=body) as response:
        assert response.status < 300


async def test_a_request_that_waits_is_answered_at_once(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    script.silent = True
    waiting = [asyncio.create_task(client.get(served.url + path)) for path in SNAPSHOTS]
    waiting.append(asyncio.create_task(client.post(served.url + "/api/cameras/front/snapshots")))
    await asyncio.sleep(0.2)
    began = time.monotonic()
    await switch(client, served, enabled=False)
    for task in waiting:
        async with await task as response:
            assert response.status == 409
    assert time.monotonic() - began < 0.5


async def test_a_picture_that_is_being_scaled_is_not_given(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    scale = scaling._scale  # noqa: SLF001  (the slow part, in the thread)

    def slow(*arguments: Any) -> bytes:  # noqa: ANN401
        time.sleep(0.5)
        return scale(*arguments)

    monkeypatch.setattr(scaling, "_scale", slow)
    waiting = asyncio.create_task(client.get(f"{served.url}/snapshot.jpg?width=32"))
    await asyncio.sleep(0.2)
    await switch(client, served, enabled=False)
    await switch(client, served, enabled=True)
    async with await waiting as response:
        assert response.status == 409


async def test_kept_snapshots_stay(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        kept = await response.json()
    await switch(client, served, enabled=False)
    async with client.get(kept["url"]) as response:
        assert response.status == 200
    assert (await front(client, served))["snapshot"] == kept


async def test_the_state_says_so(served: Served, client: aiohttp.ClientSession) -> None:
    document = await front(client, served)
    assert (document["enabled"], document["snapshot"]) == (True, None)
    await switch(client, served, enabled=False)
    document = await front(client, served)
    assert [document[key] for key in ("enabled", "available", "state", "reason", "last_error", "next_try")] == [
        *(False, False, "off", None, None, None)
    ]
    async with client.get(f"{served.url}/metrics") as response:
        text = await response.text()
    assert 'pi_mjpeg_camera_enabled{camera="front"} 0.0' in text
    assert 'pi_mjpeg_camera_enabled{camera="shed"} 1.0' in text


async def test_the_last_snapshot_follows_the_disk(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        kept = await response.json()
    assert (await front(client, served))["snapshot"] == kept
    os.utime(tmp_path / "snapshots", (time.time() - 60, time.time() - 60))
    assert (await front(client, served))["snapshot"] == kept
    (tmp_path / "snapshots" / f"{kept['id']}.jpg").unlink()
    assert (await front(client, served))["snapshot"] is None


@pytest.mark.parametrize(("orientation", "size"), [(1, (64, 48)), (6, (48, 64))])
async def test_a_turned_picture_is_upright_in_every_size(
    tmp_path: Path, client: aiohttp.ClientSession, orientation: int, size: tuple[int, int]
) -> None:
    script = Script(picture=jpeg.with_orientation(grey(9), orientation))
    async with serving(tmp_path, [camera(script)]) as served:
        async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
            kept = await response.json()
        assert (kept["width"], kept["height"]) == size
        async with client.get(f"{served.url}/snapshot.jpg?width=24") as response:
            with Image.open(io.BytesIO(await response.read())) as image:
                assert image.width == 24
                assert (image.height > image.width) is (size[1] > size[0])
