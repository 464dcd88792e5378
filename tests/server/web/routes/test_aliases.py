"""The usual URLs of other servers lead to the live picture and to stills."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
from pi_mjpeg_server.media.frame import CONTENT_TYPE

from tests.contract.viewer_contract import BROWSERS, PROGRAMS
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

STREAMS = ("stream", "stream.mjpg", "stream.mjpeg", "video", "video.mjpg", "video_feed", "cameras/front/stream")
STILLS = (
    *("snapshot", "snapshot.jpg", "image.jpg", "shot.jpg", "capture"),
    *("cameras/front/snapshot", "cameras/front/snapshot.jpg"),
)
STREAM_ACTIONS = ("?action=stream", "?action=stream_0", "webcam/?action=stream", "webcam?action=stream")
STILL_ACTIONS = ("?action=snapshot", "webcam/?action=snapshot", "webcam?action=snapshot&cache=1700000000")


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script(), linger=5), camera(Script(), "shed", linger=5)]
    async with serving(tmp_path, cameras) as running:
        await until(lambda: all(each.broadcast.latest is not None for each in cameras))
        yield running


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [*STREAMS, *(f"{path}/" for path in STREAMS), *STREAM_ACTIONS])
async def test_a_stream_has_the_names_of_other_servers(
    served: Served, client: aiohttp.ClientSession, path: str, method: str
) -> None:
    async with client.request(method, f"{served.url}/{path}", allow_redirects=False) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, CONTENT_TYPE)
        if method == "GET":
            await response.content.readuntil(b"Content-Length")


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("path", [*STILLS, *(f"{path}/" for path in STILLS), *STILL_ACTIONS])
async def test_a_still_has_the_names_of_other_servers(
    served: Served, client: aiohttp.ClientSession, path: str, method: str
) -> None:
    async with client.request(method, f"{served.url}/{path}", allow_redirects=False) as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "image/jpeg")
        assert int(response.headers["Content-Length"]) > 100


@pytest.mark.parametrize("path", ["?action=stream_1", "webcam2/?action=stream", "webcam2?action=stream"])
async def test_the_second_camera_has_a_number(served: Served, client: aiohttp.ClientSession, path: str) -> None:
    async with client.get(f"{served.url}/{path}") as response:
        await response.content.readuntil(b"Content-Length")
        assert [len(each.viewers) for each in served.server.cameras] == [0, 1]


@pytest.mark.parametrize("path", ["webcam/", "webcam?action=", "webcam/?action=command", "webcam3/?action=stream"])
async def test_an_unknown_action_is_404_and_says_which_there_are(
    served: Served, client: aiohttp.ClientSession, path: str
) -> None:
    async with client.get(f"{served.url}/{path}") as response:
        assert response.status == 404
        message = (await response.json())["error"]["message"]
        assert "stream, snapshot" in message or "numbered from 0 to 1" in message


@pytest.mark.parametrize("accept", [None, *PROGRAMS, *BROWSERS])
async def test_only_a_browser_gets_parts_without_a_length(
    served: Served, client: aiohttp.ClientSession, accept: str | None
) -> None:
    headers = {} if accept is None else {"Accept": accept}
    async with client.get(f"{served.url}/stream", headers=headers) as response:
        received = b""
        while received.count(b"image/jpeg") < 3:
            received += await response.content.readany()
    assert (b"Content-Length" not in received) is (accept in BROWSERS)
