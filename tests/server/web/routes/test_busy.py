"""What one camera can do only so often is refused over HTTP with `busy` and the time to wait."""

from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server import server as server_module
from pi_mjpeg_server.storage.snapshots import MAX_PER_CAMERA

from tests.server.support.scripted_camera import Script, Served, camera, serving


async def post(client: aiohttp.ClientSession, served: Served, path: str) -> tuple[int, str | None, Any]:
    """Return status, Retry-After and the JSON of the response."""
    async with client.post(f"{served.url}/api/cameras/{path}") as response:
        document = None if response.status == 204 else await response.json()
        return response.status, response.headers.get("Retry-After"), document


async def test_a_second_restart_within_ten_seconds_is_refused(tmp_path: Path) -> None:
    cameras = [camera(Script()), camera(Script(), "shed")]
    async with serving(tmp_path, cameras) as served, aiohttp.ClientSession() as client:
        assert (await post(client, served, "front/restart"))[0] == 204
        status, retry_after, document = await post(client, served, "front/restart")
        assert status == 503
        assert retry_after == "10"
        assert document["error"]["code"] == "busy"
        assert "at most once in 10 s" in document["error"]["message"]
        assert (await post(client, served, "shed/restart"))[0] == 204


async def test_a_flood_of_kept_snapshots_is_refused_in_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "SNAPSHOT_BURST", 5)
    cameras = [camera(Script(fps=200)), camera(Script(fps=200), "shed")]
    async with serving(tmp_path, cameras) as served, aiohttp.ClientSession() as client:
        answers = [await post(client, served, "front/snapshots") for _ in range(40)]
        statuses = Counter(status for status, _, _ in answers)
        assert set(statuses) == {201, 503}
        assert 5 <= statuses[201] <= 12
        status, retry_after, document = next(answer for answer in answers if answer[0] == 503)
        assert (status, retry_after, document["error"]["code"]) == (503, "1", "busy")
        assert (await post(client, served, "shed/snapshots"))[0] == 201
        assert len(list((tmp_path / "snapshots").glob("front-*.jpg"))) <= MAX_PER_CAMERA
