"""Full-size snapshots over real sockets: what the answers say, what is refused, and what viewers see meanwhile."""

import asyncio
import io
import threading
import time
from collections.abc import AsyncIterator
from functools import partial
from itertools import pairwise
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.camera import full_stills
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.sources import StillError
from pi_mjpeg_server.web.routes import aliases, frame_writer
from PIL import Image

from tests.server.support.scripted_camera import Script, Served, camera, serving, until
from tests.server.support.scripted_stills import STILL_SIZE, StillScript, waiting


@pytest.fixture(autouse=True)
def _often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(full_stills, "MIN_DISTANCE", 0.0)
    monkeypatch.setattr(full_stills, "DISTANCE_PER_GAP", 0.0)


@pytest.fixture
def script() -> StillScript:
    return StillScript(before={"configure": partial(time.sleep, 0.01)})


@pytest.fixture
async def served(tmp_path: Path, script: StillScript) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script, linger=1), camera(Script(), "shed", linger=1)]) as running:
        await until(lambda: running.server.cameras[0].state is not CameraState.STARTING and script.frames > 0)
        yield running


def size_of(picture: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(picture)) as image:
        return image.size


@pytest.mark.parametrize("path", [*aliases.STILLS, "/?action=snapshot"])
async def test_every_url_of_a_still_takes_it_at_full_size(
    served: Served, client: aiohttp.ClientSession, path: str
) -> None:
    url = served.url + path.replace(aliases.CAMERA, "front")
    asked = time.time()
    async with client.get(url, params={"full": "1"}) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert float(response.headers["X-Timestamp"]) >= asked
        assert 0 < float(response.headers["X-Gap"]) < 2
        assert (response.headers["X-Width"], response.headers["X-Height"]) == ("128", "96")
        assert size_of(await response.read()) == STILL_SIZE


async def test_with_a_size_it_is_scaled_down_from_the_full_one_and_the_headers_say_what_is_sent(
    served: Served, client: aiohttp.ClientSession
) -> None:
    for query, size in (("width=100", (100, 75)), ("height=48", (64, 48)), ("width=4000", STILL_SIZE)):
        async with client.get(f"{served.url}/snapshot.jpg?full=true&{query}") as response:
            assert size_of(await response.read()) == size
            assert (int(response.headers["X-Width"]), int(response.headers["X-Height"])) == size


async def test_a_camera_without_larger_pictures_gives_the_usual_still_and_says_so(
    served: Served, client: aiohttp.ClientSession
) -> None:
    for _ in range(3):
        async with client.get(f"{served.url}/cameras/shed/snapshot.jpg?full=1") as response:
            assert size_of(await response.read()) == (64, 48)
            headers = [response.headers[name] for name in ("X-Gap", "X-Width", "X-Height")]
            assert headers == ["0", "64", "48"]
    async with client.post(f"{served.url}/api/cameras/shed/snapshots", json={"full": True}) as response:
        kept = await response.json()
        assert (kept["gap"], kept["width"], kept["height"]) == (0, 64, 48)


async def test_without_full_nothing_is_interrupted_and_no_cost_is_told(
    served: Served, client: aiohttp.ClientSession, script: StillScript
) -> None:
    for query in ("", "?full=0", "?full=false"):
        async with client.get(f"{served.url}/snapshot.jpg{query}") as response:
            assert size_of(await response.read()) == (64, 48)
            assert "X-Gap" not in response.headers
    for body in (None, b"", b"{}", b'{"full": false}'):
        async with client.post(f"{served.url}/api/cameras/front/snapshots", data=body) as response:
            assert response.status == 201
            assert "gap" not in await response.json()
    assert script.still_runs == 0


@pytest.mark.parametrize("query", ["full=2", "full=", "full=yes", "full=1&max_age=0", "full=1&max_age=500"])
async def test_a_query_that_says_nothing_clear_is_refused(
    served: Served, client: aiohttp.ClientSession, script: StillScript, query: str
) -> None:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        assert response.status == 400
        error = (await response.json())["error"]
        assert error["code"] == "bad_request"
        assert "full" in error["message"]
    assert script.still_runs == 0


@pytest.mark.parametrize(
    "body", ['{"full": 1}', '{"full": "true"}', '{"full": null}', '{"size": "full"}', "[true]", "true", "full=1"]
)
async def test_a_body_that_says_nothing_clear_is_refused(
    served: Served, client: aiohttp.ClientSession, script: StillScript, body: str
) -> None:
    async with client.post(f"{served.url}/api/cameras/front/snapshots", data=body) as response:
        assert response.status == 400
        assert (await response.json())["error"]["code"] == "bad_request"
    assert (script.still_runs, list(served.server.snapshots._folder.glob("**/*.jpg"))) == (0, [])  # noqa: SLF001


async def test_a_kept_one_is_served_at_its_size(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.post(f"{served.url}/api/cameras/front/snapshots", json={"full": True}) as response:
        assert response.status == 201
        kept = await response.json()
        assert (kept["width"], kept["height"]) == STILL_SIZE
        assert 0 < kept["gap"] < 2
    async with client.get(kept["url"]) as response:
        picture = await response.read()
        assert size_of(picture) == STILL_SIZE
        assert len(picture) == kept["bytes"]


async def test_too_many_are_refused_with_the_time_to_wait(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(full_stills, "MIN_DISTANCE", 30.0)
    url = f"{served.url}/cameras/front/snapshot.jpg"
    async with client.get(f"{url}?full=1") as response:
        assert response.status == 200
    async with client.get(f"{url}?full=1") as response:
        assert response.status == 503
        assert 25 <= int(response.headers["Retry-After"]) <= 30
        error = (await response.json())["error"]
        assert error["code"] == "busy"
        assert f"try again in {response.headers['Retry-After']} s" in error["message"]
    async with client.post(f"{served.url}/api/cameras/front/snapshots", json={"full": True}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (503, "busy")
    # The others are as usual.
    async with client.get(url) as response:
        assert response.status == 200


async def test_a_failure_is_said_in_words(served: Served, client: aiohttp.ClientSession, script: StillScript) -> None:
    def refuse() -> None:
        raise StillError("the kernel has no memory")

    script.before["configure"] = refuse
    async with client.get(f"{served.url}/snapshot.jpg?full=1") as response:
        assert response.status == 503
        error = (await response.json())["error"]
        assert error["code"] == "camera_unavailable"
        assert "the kernel has no memory" in error["message"]
    async with client.get(f"{served.url}/snapshot.jpg") as response:
        assert response.status == 200


async def test_a_camera_that_is_off_refuses(served: Served, client: aiohttp.ClientSession, script: StillScript) -> None:
    reached, ended = threading.Event(), threading.Event()
    script.before["expose"] = waiting(reached, ended)
    asked = asyncio.create_task(client.get(f"{served.url}/snapshot.jpg?full=1"))
    await asyncio.to_thread(reached.wait, 5)
    served.server.cameras[0].disable()
    async with await asked as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "camera_off")
    async with client.get(f"{served.url}/snapshot.jpg?full=1") as response:
        assert (response.status, (await response.json())["error"]["code"]) == (409, "camera_off")
    ended.set()


async def test_viewers_get_the_last_frame_again_while_a_still_takes_long(
    served: Served, client: aiohttp.ClientSession, script: StillScript, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frame_writer, "REPEAT_INTERVAL", 0.2)
    script.before["expose"] = lambda: time.sleep(1)
    arrived: list[float] = []
    headers: list[bytes] = []

    async def watch() -> None:
        async with client.get(f"{served.url}/stream") as response:
            while True:
                headers.append(await response.content.readuntil(b"\r\n\r\n"))
                length = int(headers[-1].partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
                await response.content.readexactly(length)
                arrived.append(time.monotonic())

    watching = asyncio.create_task(watch())
    await until(lambda: len(arrived) > 5)
    async with client.get(f"{served.url}/snapshot.jpg?full=1") as response:
        assert float(response.headers["X-Gap"]) >= 1
    await asyncio.sleep(0.2)
    watching.cancel()
    assert max(later - earlier for earlier, later in pairwise(arrived)) < 0.7
    assert not any(b"drawn" in each for each in headers)
