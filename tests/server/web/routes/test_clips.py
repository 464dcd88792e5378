"""Clips over real sockets: recording, replay, download and thumbnail."""

import asyncio
import itertools
import json
import re
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.camera.state import CameraState
from pi_mjpeg_server.camera.viewer_stats import ViewerStats
from pi_mjpeg_server.recording import recording
from pi_mjpeg_server.recording.recorder import MAX_RECORDINGS

from tests.server.support.clip_files import pictures
from tests.server.support.scripted_camera import Script, Served, camera, level_of, serving, until


@pytest.fixture(autouse=True)
def short_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "WRITE_INTERVAL", 0.05)
    monkeypatch.setattr(recording, "GRACE", 0.3)


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A server whose first camera runs, because somebody watches it; the second one is unplugged."""
    async with serving(tmp_path, [camera(script), camera(Script(fail_open="unplugged"), "shed")]) as running:
        front = running.server.cameras[0]
        with front.viewing(ViewerStats("127.0.0.1", None)):
            await until(lambda: len(front.ring.since(0)) > 20)
            yield running


async def record(
    client: aiohttp.ClientSession, served: Served, before: float = 0.2, after: float = 0.2, **headers: str
) -> dict[str, Any]:
    asked = {"before": before, "after": after}
    async with client.post(f"{served.url}/api/cameras/front/clips", json=asked, headers=headers) as response:
        assert response.status == 201, await response.text()
        clip: dict[str, Any] = await response.json()
        return clip


async def test_a_clip_is_recorded_and_can_be_had_in_three_ways(served: Served, client: aiohttp.ClientSession) -> None:
    clip = await record(client, served)
    assert re.fullmatch(r"front-\d{8}T\d{9}Z-[0-9a-f]{8}", clip["id"])
    assert (clip["schema"], clip["trigger"], clip["width"], clip["height"]) == (1, "http", 64, 48)
    assert clip["before"] >= 0.2
    assert clip["after"] >= 0.2
    assert clip["duration"] == pytest.approx(clip["before"] + clip["after"], abs=0.01)
    async with client.get(clip["download_url"]) as response:
        assert response.status == 200
        assert response.headers["Content-Disposition"] == f'attachment; filename="{clip["id"]}.mjpeg"'
        whole = await response.read()
    assert len(whole) == clip["bytes"]
    found = pictures(whole)
    assert len(found) == clip["frames"]
    async with client.get(clip["thumbnail_url"]) as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
        level_of(await response.read())
    began = time.monotonic()
    async with client.get(clip["url"]) as response:
        assert response.status == 200
        assert response.content_type == "multipart/x-mixed-replace"
        # At its own pace, and the same bytes.
        assert await response.read() == whole
    assert time.monotonic() - began >= clip["duration"] * 0.9


async def test_a_browser_gets_the_parts_that_it_paints_at_once(served: Served, client: aiohttp.ClientSession) -> None:
    clip = await record(client, served)
    async with client.get(clip["url"], headers={"Accept": "image/webp,*/*"}) as response:
        body = await response.read()
    assert body.startswith(b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\xff\xd8")
    assert body.count(b"\xff\xd9\r\n--frame") == clip["frames"]
    assert b"Content-Length" not in body


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ("{", 400, "bad_request"),
        ("[]", 400, "bad_request"),
        ('"x"', 400, "bad_request"),
        ('{"before": -1}', 422, "bad_clip"),
        ('{"before": 61}', 422, "bad_clip"),
        ('{"before": true}', 422, "bad_clip"),
        ('{"before": "5"}', 422, "bad_clip"),
        ('{"before": null}', 422, "bad_clip"),
        ('{"after": NaN}', 422, "bad_clip"),
        ('{"after": Infinity}', 422, "bad_clip"),
        ('{"after": 300.1}', 422, "bad_clip"),
        ('{"after": ' + "9" * 400 + "}", 422, "bad_clip"),
        ('{"then": 1}', 422, "bad_clip"),
        (json.dumps({"x" * 5000: 1}), 422, "bad_clip"),
    ],
)
async def test_a_wrong_request_is_refused_in_words(
    served: Served, client: aiohttp.ClientSession, body: str, status: int, code: str
) -> None:
    async with client.post(f"{served.url}/api/cameras/front/clips", data=body) as response:
        assert response.status == status, await response.text()
        error = (await response.json())["error"]
        assert error["code"] == code
        assert 10 < len(error["message"]) < 200
    assert not served.server.recorder.is_recording(served.server.cameras[0])


async def test_without_a_body_it_takes_what_is_in_memory(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pi_mjpeg_server.recording.request.DEFAULT_AFTER", 0.1)
    for data in (None, "{}"):
        async with client.post(f"{served.url}/api/cameras/front/clips", data=data) as response:
            assert response.status == 201
            clip = await response.json()
        assert clip["before"] > 0.2
        assert clip["after"] >= 0.1


async def test_a_camera_that_is_off_or_dead_or_not_there(served: Served, client: aiohttp.ClientSession) -> None:
    await until(lambda: served.server.cameras[1].state is CameraState.FAILING)
    for camera_id, status, code in (("shed", 503, "camera_unavailable"), ("attic", 404, "not_found")):
        async with client.post(f"{served.url}/api/cameras/{camera_id}/clips", json={"after": 0}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (status, code)
    asked = asyncio.create_task(client.post(f"{served.url}/api/cameras/front/clips", json={"after": 5}))
    await until(lambda: served.server.recorder.is_recording(served.server.cameras[0]))
    served.server.cameras[0].disable()
    for response in (await asked, await client.post(f"{served.url}/api/cameras/front/clips", json={"after": 0})):
        assert (response.status, (await response.json())["error"]["code"]) == (409, "camera_off")


async def test_too_many_at_once_are_told_when_to_come_back(served: Served, client: aiohttp.ClientSession) -> None:
    running = [asyncio.create_task(record(client, served, after=0.6)) for _ in range(MAX_RECORDINGS)]
    await asyncio.sleep(0.2)
    async with client.post(f"{served.url}/api/cameras/front/clips", json={"after": 0}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (503, "busy")
        assert int(response.headers["Retry-After"]) > 0
    await asyncio.gather(*running)


async def test_a_folder_that_cannot_be_written_is_an_error(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    (tmp_path / "clips").write_text("a file where the folder should be")
    async with client.post(f"{served.url}/api/cameras/front/clips", json={"after": 0}) as response:
        assert (response.status, (await response.json())["error"]["code"]) == (507, "insufficient_storage")


async def test_a_clip_is_at_its_signed_urls_and_nowhere_else(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path
) -> None:
    clip = await record(client, served)
    (tmp_path / "secret.bin").write_bytes(b"x")
    url, signature = clip["download_url"].split("?sig=")
    for wrong in (
        url,
        f"{url}?sig=",
        f"{url}?sig={signature[:-1]}",
        f"{url.replace('.bin', '.jpg')}?sig={signature}",
        f"{url.replace('.bin', '.mjpeg')}?sig={signature}",
        f"{url.replace('.bin', '.txt')}?sig={signature}",
        f"{served.url}/clips/..%2Fsecret.bin?sig={signature}",
    ):
        async with client.get(wrong) as response:
            assert response.status == 404, wrong
            assert (await response.json())["error"]["code"] == "not_found"


async def test_they_are_listed_with_the_newest_first(served: Served, client: aiohttp.ClientSession) -> None:
    clips = [await record(client, served, after=0) for _ in range(3)]
    async with client.get(f"{served.url}/api/cameras/front/clips") as response:
        listed = await response.json()
    assert [each["id"] for each in listed["clips"]] == [each["id"] for each in reversed(clips)]
    assert {"schema": 1, **listed["clips"][0]} == clips[-1]
    async with client.get(f"{served.url}/api/cameras/shed/clips") as response:
        assert await response.json() == {"schema": 1, "clips": []}
    async with client.get(f"{served.url}/api/state") as response:
        front, shed = (await response.json())["cameras"]
    assert front["clip"]["id"] == clips[-1]["id"]
    assert (shed["clip"], front["recording"], front["preroll"]) == (None, False, 5)
    async with client.get(f"{served.url}/metrics") as response:
        text = await response.text()
    assert 'pi_mjpeg_clips_total{camera="front"} 3.0' in text
    assert f"pi_mjpeg_clips_bytes {float(sum(each['bytes'] for each in clips))}" in text
    assert re.search(r'pi_mjpeg_preroll_bytes\{camera="front"\} [1-9]', text)


@pytest.mark.parametrize(
    ("asked", "begin", "end"),
    [
        ("bytes=0-9", 0, 10),
        ("bytes=5-", 5, None),
        ("bytes=-7", -7, None),
        ("bytes=10-99999999", 10, None),
        ("Bytes=3-3", 3, 4),
    ],
)
async def test_a_range_of_the_file_can_be_had(
    served: Served, client: aiohttp.ClientSession, asked: str, begin: int, end: int | None
) -> None:
    clip = await record(client, served, after=0)
    async with client.get(clip["download_url"]) as response:
        whole = await response.read()
        tag = response.headers["ETag"]
    async with client.get(clip["download_url"], headers={"Range": asked, "If-Range": tag}) as response:
        assert response.status == 206
        body = await response.read()
    assert body == whole[begin:end]
    first = len(whole) + begin if begin < 0 else begin
    assert response.headers["Content-Range"] == f"bytes {first}-{first + len(body) - 1}/{len(whole)}"


async def test_ranges_that_cannot_be_had(served: Served, client: aiohttp.ClientSession) -> None:
    clip = await record(client, served, after=0)
    for asked in ("bytes=99999999-", "bytes=-0"):
        async with client.get(clip["download_url"], headers={"Range": asked}) as response:
            assert (response.status, (await response.json())["error"]["code"]) == (416, "bad_range")
            assert response.headers["Content-Range"] == f"bytes */{clip['bytes']}"
    for headers in (
        {"Range": "bytes=9-5"},
        {"Range": "bytes=-"},
        {"Range": "lines=1-2"},
        {"Range": "bytes=0-1,5-6"},
        {"Range": "bytes=\u0661-\u0662"},
        {"Range": "bytes=0-1", "If-Range": '"another"'},
    ):
        async with client.get(clip["download_url"], headers=headers) as response:
            assert (response.status, len(await response.read())) == (200, clip["bytes"]), headers
    async with client.head(clip["download_url"], headers={"Range": "bytes=0-1"}) as response:
        assert (response.status, response.content_length) == (200, clip["bytes"])
    async with client.get(clip["download_url"], headers={"If-None-Match": "*"}) as response:
        assert (response.status, await response.read()) == (304, b"")


async def test_those_who_replay_count_as_viewers_but_start_no_camera(tmp_path: Path, script: Script) -> None:
    async with (
        serving(tmp_path, [camera(script)], max_viewers_per_address=2) as served,
        aiohttp.ClientSession() as client,
    ):
        front = served.server.cameras[0]
        with front.viewing(ViewerStats("10.0.0.1", None)):
            clip = await record(client, served, before=0, after=1)
        await until(lambda: front.state is CameraState.IDLE)
        first = await client.get(clip["url"])
        second = await client.get(clip["url"])
        for path in (clip["url"], f"{served.url}/stream"):
            async with client.get(path) as response:
                assert (response.status, (await response.json())["error"]["code"]) == (503, "too_many_viewers")
        assert front.state is CameraState.IDLE
        assert len(await first.read()) == len(await second.read()) == clip["bytes"]
        async with client.get(clip["url"]) as response:
            assert response.status == 200


async def test_signed_urls_need_no_token_until_it_is_rotated(tmp_path: Path, script: Script) -> None:
    async with (
        serving(tmp_path, [camera(script)], needs_token=True) as served,
        aiohttp.ClientSession() as client,
    ):
        token = served.server.token
        assert token is not None
        async with client.post(f"{served.url}/api/cameras/front/clips", json={"after": 0}) as response:
            assert response.status == 401
        async with client.get(f"{served.url}/api/cameras/front/clips") as response:
            assert response.status == 401
        clip = await record(client, served, after=2, Authorization=f"Bearer {token.value}")
        for url in (clip["download_url"], clip["thumbnail_url"]):
            async with client.get(url) as response:
                assert response.status == 200
        replayed = await client.get(clip["url"])
        token.rotate()
        began = time.monotonic()
        assert len(await replayed.read()) < clip["bytes"]
        assert time.monotonic() - began < 1.9
        for url in (clip["url"], clip["download_url"], clip["thumbnail_url"]):
            async with client.get(url) as response:
                assert response.status == 404


async def test_a_replay_waits_as_long_as_the_camera_gave_nothing_and_is_never_silent(
    served: Served, client: aiohttp.ClientSession, script: Script
) -> None:
    asked = asyncio.create_task(record(client, served, before=0.1, after=1.8))
    await asyncio.sleep(0.2)
    script.blocked.clear()
    await asyncio.sleep(1.3)
    script.blocked.set()
    clip = await asked
    async with client.get(clip["url"]) as response:
        times = []
        async for chunk in response.content.iter_any():
            assert chunk
            times.append(time.monotonic())
    assert max(later - earlier for earlier, later in itertools.pairwise(times)) < 1.2
    assert times[-1] - times[0] >= clip["duration"] * 0.9
