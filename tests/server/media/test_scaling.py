"""Scaled pictures, requested over real sockets: complete, upright, and one at a time."""

import asyncio
import gc
import io
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.media import scaling
from pi_mjpeg_server.media.jpeg import with_orientation
from PIL import Image

from tests.server.support.scripted_camera import Script, Served, until


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session


@pytest.fixture
def scalings(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Return a list that gets an entry with each scaling: how many run at that moment."""
    running, counted, scale = [0], [], scaling._scale  # noqa: SLF001  (the only place to count them)
    lock = threading.Lock()

    def counting(*arguments: Any) -> bytes:  # noqa: ANN401  (its own)
        with lock:
            running[0] += 1
            counted.append(running[0])
        try:
            return scale(*arguments)
        finally:
            with lock:
                running[0] -= 1

    monkeypatch.setattr(scaling, "_scale", counting)
    return counted


def jpeg(mode: str, size: tuple[int, int], **how: Any) -> bytes:  # noqa: ANN401  (Pillow's)
    """Return a picture whose left half is black and whose right half is white."""
    image = Image.new("RGB", size, "black")
    image.paste("white", (size[0] // 2, 0, *size))
    buffer = io.BytesIO()
    image.convert(mode).save(buffer, "JPEG", **how)
    return buffer.getvalue()


def with_claimed_size(picture: bytes, side: int) -> bytes:
    """Return a picture of 640x480 whose frame header claims a square of `side` pixels."""
    head = b"\xff\xc0\x00\x11\x08"
    return picture.replace(
        head + (480).to_bytes(2, "big") + (640).to_bytes(2, "big"), head + side.to_bytes(2, "big") * 2
    )


def is_light(image: Image.Image, across: float, down: float) -> bool:
    x, y = int(image.width * across), int(image.height * down)
    return image.convert("L").crop((x, y, x + 1, y + 1)).tobytes()[0] > 128


async def copy_of(client: aiohttp.ClientSession, served: Served, query: str) -> Image.Image:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        assert response.status == 200, await response.text()
        return Image.open(io.BytesIO(await response.read()))


@pytest.mark.parametrize(
    ("picture", "query", "size"),
    [
        (jpeg("L", (640, 480)), "width=160", (160, 120)),
        (jpeg("CMYK", (640, 480)), "width=160", (160, 120)),
        (jpeg("RGB", (641, 479)), "width=160", (160, 120)),
        (jpeg("RGB", (641, 479), progressive=True), "height=100", (134, 100)),
        (jpeg("RGB", (4000, 2), subsampling=0), "width=16", (16, 1)),
        (jpeg("RGB", (33, 17)), "width=32", (32, 16)),
    ],
    ids=["grey", "cmyk", "odd", "progressive", "flat", "nearly the same"],
)
async def test_every_kind_of_jpeg_is_scaled(
    served: Served, client: aiohttp.ClientSession, script: Script, picture: bytes, query: str, size: tuple[int, int]
) -> None:
    script.picture = picture
    copy = await copy_of(client, served, query)
    assert copy.size == size
    assert copy.mode in {"L", "RGB"}
    assert [is_light(copy, across, 0.5) for across in (0.1, 0.9)] == [False, True]


@pytest.mark.parametrize("orientation", range(1, 9))
async def test_an_exif_orientation_is_applied_before_the_picture_is_measured_and_scaled(
    served: Served, client: aiohttp.ClientSession, script: Script, orientation: int
) -> None:
    script.picture = with_orientation(jpeg("RGB", (640, 480)), orientation)
    copy = await copy_of(client, served, "width=120")
    assert copy.size == ((120, 90) if orientation < 5 else (120, 160))
    assert 0x0112 not in copy.getexif()
    # The edge of the dark half, by EXIF 2.3, figure 1 of tag 0x0112.
    dark = {1: "left", 2: "right", 3: "right", 4: "left", 5: "top", 6: "top", 7: "bottom", 8: "bottom"}[orientation]
    edges = {"left": (0.1, 0.5), "right": (0.9, 0.5), "top": (0.5, 0.1), "bottom": (0.5, 0.9)}
    opposite = {"left": "right", "right": "left", "top": "bottom", "bottom": "top"}[dark]
    assert not is_light(copy, *edges[dark])
    assert is_light(copy, *edges[opposite])


async def test_a_small_copy_is_decoded_at_a_small_size(
    served: Served, client: aiohttp.ClientSession, script: Script, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoded, resize = [], Image.Image.resize

    def recording_resize(self: Image.Image, size: tuple[int, int]) -> Image.Image:
        self.load()
        decoded.append(self.size)
        return resize(self, size)

    monkeypatch.setattr(Image.Image, "resize", recording_resize)
    script.picture = jpeg("RGB", (1280, 720))
    await copy_of(client, served, "width=160")
    await copy_of(client, served, "width=200")
    assert decoded == [(160, 90), (320, 180)]


@pytest.mark.parametrize(
    "damage",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:30],
        lambda _: b"\xff\xd8\xff\xd9",
        lambda _: b"no picture",
        lambda whole: with_claimed_size(whole, 65535),
        lambda whole: with_claimed_size(whole, 9000),
    ],
    ids=["half", "head", "empty", "text", "65535x65535", "9000x9000"],
)
async def test_a_damaged_picture_is_refused_with_a_reason(
    served: Served,
    client: aiohttp.ClientSession,
    script: Script,
    damage: Callable[[bytes], bytes],
    caplog: pytest.LogCaptureFixture,
) -> None:
    whole = jpeg("RGB", (640, 480))
    script.picture = damage(whole)
    assert script.picture != whole
    async with client.get(f"{served.url}/snapshot.jpg?width=32") as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        error = (await response.json())["error"]
        assert error["code"] == "not_scaled"
        is_large = script.picture in {with_claimed_size(whole, side) for side in (9000, 65535)}
        assert ("too large" if is_large else "cannot be scaled") in error["message"]
    async with client.get(f"{served.url}/snapshot.jpg") as response:
        assert await response.read() == script.picture
    script.picture = None
    await copy_of(client, served, "width=32")
    assert [record for record in caplog.records if record.levelname == "ERROR"] == []


async def test_equal_requests_get_one_copy_that_is_made_once(
    served: Served, client: aiohttp.ClientSession, script: Script, scalings: list[int]
) -> None:
    script.picture = jpeg("RGB", (1280, 720))
    await copy_of(client, served, "")
    script.silent = True
    await asyncio.sleep(0.1)
    async with asyncio.TaskGroup() as group:
        copies = [group.create_task(copy_of(client, served, "max_age=60000&width=100")) for _ in range(12)]
    assert len({copy.result().tobytes() for copy in copies}) == 1
    assert len(scalings) == 1
    script.silent = False
    await copy_of(client, served, "width=100")
    assert len(scalings) == 2


async def test_many_sizes_at_once_are_made_one_by_one_and_the_rest_is_refused_with_503(
    served: Served, client: aiohttp.ClientSession, script: Script, scalings: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    script.picture = jpeg("RGB", (4000, 3000))
    await copy_of(client, served, "")
    all_have_asked, scale = threading.Event(), scaling._scale  # noqa: SLF001  (the only place to hold them)

    def held(*arguments: Any) -> bytes:  # noqa: ANN401  (its own)
        all_have_asked.wait(scaling.SCALING_TIMEOUT)
        return scale(*arguments)

    monkeypatch.setattr(scaling, "_scale", held)
    answers: Counter[int] = Counter()

    async def ask(width: int) -> None:
        async with client.get(f"{served.url}/snapshot.jpg?max_age=60000&width={width}") as response:
            await response.read()
            assert response.status == 200 or (await response.json())["error"]["code"] == "not_scaled"
            answers[response.status] += 1

    requests = asyncio.gather(*(ask(2000 + number) for number in range(30)))
    await until(lambda: answers.total() == 14)
    assert answers == {503: 14}
    all_have_asked.set()
    longest = 0.0
    while not requests.done():
        before = time.monotonic()
        await asyncio.sleep(0.01)
        longest = max(longest, time.monotonic() - before)
    await requests
    assert answers == {503: 14, 200: 16}
    assert set(scalings) == {1}
    assert longest < 0.3
    await ask(2100)
    assert answers[200] == 17


async def test_clients_that_disconnect_while_a_picture_is_scaled_leave_nothing_behind(
    served: Served,
    client: aiohttp.ClientSession,
    script: Script,
    scalings: list[int],
    caplog: pytest.LogCaptureFixture,
) -> None:
    # Scaling it takes long, and fails at the end.
    noise = io.BytesIO()
    Image.effect_noise((4000, 3000), 80).save(noise, "JPEG")
    script.picture = noise.getvalue()[:-20_000]
    await take_picture(client, served)
    for _ in range(3):
        requests = [asyncio.create_task(copy_of(client, served, f"max_age=60000&width={3000 + n}")) for n in range(4)]
        done = len(scalings)
        await until(lambda: len(scalings) > done)  # noqa: B023  (it is called at once)
        for task in requests:
            task.cancel()
        await asyncio.gather(*requests, return_exceptions=True)
    script.picture = None
    await copy_of(client, served, "width=32")
    # Requests that only waited for their turn caused no work.
    assert len(scalings) < 8
    assert set(scalings) == {1}
    gc.collect()
    await asyncio.sleep(0)
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


async def take_picture(client: aiohttp.ClientSession, served: Served) -> None:
    """Request a snapshot, without decoding it."""
    async with client.get(f"{served.url}/snapshot.jpg") as response:
        assert response.status == 200
