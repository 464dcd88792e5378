"""Snapshots over real sockets."""

import asyncio
import io
import re
import resource
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.storage.atomic_file import PREFIX
from pi_mjpeg_server.storage.snapshots import MAX_PER_CAMERA
from PIL import Image

from tests.server.support.scripted_camera import Script, Served, camera, grey, level_of, serving, until


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script), camera(Script(fail_open="unplugged"), "shed")]) as running:
        await until(lambda: running.server.cameras[0].state is CameraState.IDLE and script.frames > 0)
        yield running


async def keep(client: aiohttp.ClientSession, served: Served, camera_id: str = "front") -> dict[str, Any]:
    """Take and keep a snapshot, and return its document."""
    async with client.post(f"{served.url}/api/cameras/{camera_id}/snapshots") as response:
        assert response.status == 201, await response.text()
        kept: dict[str, Any] = await response.json()
        return kept


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "snapshots").iterdir())


@pytest.mark.parametrize(
    "path", ["/snapshot.jpg", "/cameras/front/snapshot.jpg", "/?action=snapshot", "/?action=snapshot_0"]
)
async def test_a_snapshot_is_taken_after_the_request(served: Served, client: aiohttp.ClientSession, path: str) -> None:
    await asyncio.sleep(0.3)
    asked = time.time()
    async with client.get(served.url + path) as response:
        assert response.status == 200
        assert response.content_type == "image/jpeg"
        assert float(response.headers["X-Timestamp"]) >= asked
        level_of(await response.read())


async def test_cameras_have_the_numbers_that_mjpg_streamer_gives_them(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    cameras = [
        camera(Script(picture=grey(level)), camera_id) for camera_id, level in (("a", 10), ("b", 100), ("c", 200))
    ]
    async with serving(tmp_path, cameras) as served:
        for number, level in (("", 10), ("_0", 10), ("_1", 100), ("_2", 200)):
            async with client.get(f"{served.url}/?action=snapshot{number}&n=1") as response:
                assert level_of(await response.read()) == level
            async with client.get(f"{served.url}/?action=stream{number}") as response:
                await response.content.readuntil(b"Content-Length: ")
                length = int(await response.content.readline())
                await response.content.readuntil(b"\r\n\r\n")
                assert level_of(await response.content.readexactly(length)) == level
        async with client.get(f"{served.url}/?action=stream_3") as response:
            assert response.status == 404
            assert "from 0 to 2" in (await response.json())["error"]["message"]


async def test_max_age_allows_an_older_picture(served: Served, client: aiohttp.ClientSession, script: Script) -> None:
    frames = script.frames
    async with client.get(f"{served.url}/snapshot.jpg?max_age=60000") as response:
        assert response.status == 200
    assert script.frames == frames
    assert served.server.cameras[0].state is CameraState.IDLE


@pytest.mark.parametrize(
    ("query", "size"),
    [("width=32", (32, 24)), ("height=24", (32, 24)), ("width=32&height=16", (21, 16)), ("width=640", (64, 48))],
)
async def test_it_is_scaled_down_to_fit_and_never_up(
    served: Served, client: aiohttp.ClientSession, query: str, size: tuple[int, int]
) -> None:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        with Image.open(io.BytesIO(await response.read())) as image:
            assert image.size == size


@pytest.mark.parametrize(
    "query", ["width=0", "width=1.5", "width=x", "height=99999", "max_age=-1", "max_age=NaN", "width=%00"]
)
async def test_invalid_numbers_are_refused(served: Served, client: aiohttp.ClientSession, query: str) -> None:
    async with client.get(f"{served.url}/snapshot.jpg?{query}") as response:
        assert response.status == 400
        assert "has to be" in (await response.json())["error"]["message"]


@pytest.mark.parametrize("method_and_path", ["GET /cameras/shed/snapshot.jpg", "POST /api/cameras/shed/snapshots"])
async def test_a_camera_without_a_picture_says_why(
    served: Served, client: aiohttp.ClientSession, method_and_path: str
) -> None:
    method, path = method_and_path.split()
    await until(lambda: served.server.cameras[1].state is CameraState.FAILING)
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
    other = kept["id"][:-1] + ("1" if kept["id"].endswith("0") else "0")
    (tmp_path / "secret.jpg").write_bytes(b"x")
    for url in (
        unsigned,
        f"{unsigned}?sig=",
        f"{unsigned}?sig={signature[:-1]}A{signature[-1]}",
        f"{unsigned}?sig=%FF%FE",
        f"{unsigned.replace(kept['id'], other)}?sig={signature}",
        f"{served.url}/snapshots/..%2Fsecret.jpg?sig={signature}",
    ):
        async with client.get(url) as response:
            assert response.status == 404, url


async def test_only_the_last_few_are_kept(served: Served, client: aiohttp.ClientSession, tmp_path: Path) -> None:
    first = None
    for _ in range(MAX_PER_CAMERA + 3):
        async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
            assert response.status == 201
            first = first or await response.json()
    assert len(list((tmp_path / "snapshots").iterdir())) == MAX_PER_CAMERA
    assert first is not None
    async with client.get(first["url"]) as response:
        assert response.status == 404


async def test_a_snapshot_that_cannot_be_stored_is_an_error(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "snapshots").write_text("a file where the folder should be")
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        assert response.status == 507
        assert (await response.json())["error"]["code"] == "insufficient_storage"


async def test_a_kept_snapshot_is_cacheable_and_sent_whole(served: Served, client: aiohttp.ClientSession) -> None:
    kept = await keep(client, served)
    async with client.get(kept["url"]) as response:
        body = await response.read()
        tag = response.headers["ETag"]
        assert response.content_type == "image/jpeg"
        assert "immutable" in response.headers["Cache-Control"]
    async with client.head(kept["url"]) as response:
        assert (response.status, response.content_length) == (200, kept["bytes"])
        assert await response.read() == b""
    for tags in (tag, f'"other", {tag}', "*"):
        async with client.get(kept["url"], headers={"If-None-Match": tags}) as response:
            assert (response.status, await response.read()) == (304, b"")
            assert response.headers["ETag"] == tag
    # A Range is ignored, as RFC 9110 (14.2) allows.
    for asked in (
        {"If-None-Match": '"other"'},
        {"Range": "bytes=5-9"},
        {"Range": "bytes=99999999-"},
        {"If-Match": '"x"'},
    ):
        async with client.get(kept["url"], headers=asked) as response:
            assert (response.status, await response.read()) == (200, body), asked


async def test_a_missing_or_unreadable_snapshot_is_an_error_in_json(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    kept = await keep(client, served)
    path = tmp_path / "snapshots" / f"{kept['id']}.jpg"
    path.unlink()
    async with client.get(kept["url"]) as response:
        assert response.status == 404
        assert (await response.json())["error"]["code"] == "not_found"
    path.mkdir()
    async with client.get(kept["url"]) as response:
        assert response.status == 503
        assert (await response.json())["error"] == {
            "code": "not_readable",
            "message": "the snapshot cannot be read: Is a directory",
        }


async def test_a_full_disk_is_an_error_and_leaves_no_partial_file(
    served: Served, client: aiohttp.ClientSession, script: Script, tmp_path: Path
) -> None:
    first = await keep(client, served)
    script.padding = 100_000
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, usual[1]))
    try:
        async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
            assert response.status == 507
            assert "File too large" in (await response.json())["error"]["message"]
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    assert names(tmp_path) == [f"{first['id']}.jpg"]
    await keep(client, served)


async def test_partial_files_of_a_server_that_was_killed_are_removed(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    (folder / f"{PREFIX}shed-20261122T100000000Z-9f3a61c2.jpg-0a1b2c3d").write_bytes(b"half")
    (folder / ".nfs0001").write_bytes(b"somebody else's")
    kept = await keep(client, served)
    assert names(tmp_path) == [".nfs0001", f"{kept['id']}.jpg"]


async def test_a_clock_that_was_set_back_by_years_makes_no_new_snapshot_the_oldest(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    for number in range(MAX_PER_CAMERA):
        (folder / f"front-20990101T0000{number:02}000Z-9f3a61c2.jpg").write_bytes(b"of the future")
    kept = [await keep(client, served) for _ in range(4)]
    for each in kept:
        async with client.get(each["url"]) as response:
            assert response.status == 200
    left = names(tmp_path)
    assert len(left) == MAX_PER_CAMERA
    assert left[4] == "front-20990101T000004000Z-9f3a61c2.jpg"
    kept += [await keep(client, served) for _ in range(MAX_PER_CAMERA)]
    assert names(tmp_path) == sorted(f"{each['id']}.jpg" for each in kept[-MAX_PER_CAMERA:])


async def test_a_clock_that_was_set_back_by_seconds_makes_no_new_snapshot_the_oldest(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    folder = tmp_path / "snapshots"
    folder.mkdir()
    soon = datetime.now(UTC) + timedelta(seconds=30)
    for number in range(MAX_PER_CAMERA):
        (folder / f"front-{soon:%Y%m%dT%H%M%S}{number:03}Z-9f3a61c2.jpg").write_bytes(b"from the near future")
    kept = await keep(client, served)
    left = names(tmp_path)
    assert f"{kept['id']}.jpg" in left
    assert len(left) == MAX_PER_CAMERA


async def test_each_camera_keeps_its_own_last_few_whatever_its_name(
    tmp_path: Path, client: aiohttp.ClientSession
) -> None:
    cameras = [camera(Script(), camera_id) for camera_id in ("front", "front_1", "_", "0")]
    async with serving(tmp_path, cameras) as served:
        for _ in range(2):
            for each in cameras:
                await keep(client, served, each.settings.id)
        for _ in range(MAX_PER_CAMERA):
            await keep(client, served)
        owners = [name.partition("-")[0] for name in names(tmp_path)]
        assert {owner: owners.count(owner) for owner in owners} == {
            "front": MAX_PER_CAMERA,
            "front_1": 2,
            "_": 2,
            "0": 2,
        }


async def test_a_damaged_picture_is_not_kept(served: Served, client: aiohttp.ClientSession, script: Script) -> None:
    script.picture = b"no picture"
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "camera_unavailable"
