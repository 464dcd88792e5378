"""Single pictures over real sockets."""

import asyncio
import io
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.camera import State
from pi_mjpeg_server.snapshots import KEPT
from PIL import Image

from tests.server.scripted import Script, Served, camera, level_of, serving, until


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script), camera(Script(fail_open="unplugged"), "shed")]) as running:
        await until(lambda: running.station.cameras[0].state is State.IDLE and script.frames > 0)
        yield running


@pytest.mark.parametrize("path", ["/snapshot.jpg", "/cameras/front/snapshot.jpg", "/?action=snapshot"])
async def test_a_snapshot_is_taken_after_the_request(served: Served, client: aiohttp.ClientSession, path: str) -> None:
    await asyncio.sleep(0.3)
    asked = time.time()
    async with client.get(served.url + path) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert float(response.headers["X-Timestamp"]) >= asked
        level_of(await response.read())


async def test_with_max_age_an_older_one_is_good_enough(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    frames = script.frames
    async with client.get(f"{served.url}/snapshot.jpg?max_age=60000") as response:
        assert response.status == 200
    assert script.frames == frames
    assert served.station.cameras[0].state is State.IDLE


@pytest.mark.parametrize(
    ("query", "size"),
    [("width=32", (32, 24)), ("height=24", (32, 24)), ("width=32&height=16", (21, 16)), ("width=640", (64, 48))],
)
async def test_it_is_scaled_to_fit_and_never_up(
    served: Served, client: aiohttp.ClientSession, query: str, size: tuple[int, int]
) -> None:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        with Image.open(io.BytesIO(await response.read())) as image:
            assert image.size == size


@pytest.mark.parametrize(
    "query", ["width=0", "width=1.5", "width=x", "height=99999", "max_age=-1", "max_age=NaN", "width=%00"]
)
async def test_numbers_that_cannot_be_are_refused(served: Served, client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        assert response.status == 400
        assert "has to be" in (await response.json())["error"]["message"]


@pytest.mark.parametrize("method_and_path", ["GET /cameras/shed/snapshot.jpg", "POST /api/cameras/shed/snapshots"])
async def test_a_camera_without_a_picture_says_why(
    served: Served, client: aiohttp.ClientSession, method_and_path: str
) -> None:
    method, path = method_and_path.split()
    await until(lambda: served.station.cameras[1].state is State.FAILING)
    async with client.request(method, served.url + path) as response:
        assert response.status == 503
        assert int(response.headers["Retry-After"]) > 0
        error = (await response.json())["error"]
        assert error == {"code": "camera_unavailable", "message": "unplugged"}


async def test_a_kept_snapshot_is_at_its_signed_url_and_nowhere_else(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        assert response.status == 201
        kept = await response.json()
    assert re.fullmatch(r"front-\d{8}T\d{9}Z-[0-9a-f]{8}", kept["id"])
    assert (kept["width"], kept["height"]) == (64, 48)
    async with client.get(kept["url"]) as response:
        assert response.status == 200
        body = await response.read()
        assert len(body) == kept["bytes"]
        level_of(body)
    unsigned, signature = kept["url"].split("?sig=")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    for url in (
        unsigned,
        f"{unsigned}?sig=",
        f"{unsigned}?sig={signature[:-1]}A{signature[-1]}",
        f"{unsigned}?sig=%FF%FE",
        f"{unsigned.replace(kept['id'], kept['id'][:-1] + '0')}?sig={signature}",
        f"{served.url}/snapshots/..%2Fsecret.jpg?sig={signature}",
    ):
        async with client.get(url) as response:
            assert response.status == 404, url


async def test_only_the_last_few_are_kept(served: Served, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    first = None
    for _ in range(KEPT + 3):
        async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
            assert response.status == 201
            first = first or await response.json()
    assert len(list((tmp_path / "snapshots").iterdir())) == KEPT
    assert first is not None
    async with client.get(first["url"]) as response:
        assert response.status == 404


async def test_a_disk_that_takes_nothing_is_told(served: Served, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    (tmp_path / "snapshots").write_text("a file where the folder should be")
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        assert response.status == 507
        assert (await response.json())["error"]["code"] == "not_kept"
