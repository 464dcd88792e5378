"""The JSON routes as they describe themselves, and the metrics, over real sockets."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.server.scripted import Script, Served, camera, serving, until


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script()), camera(Script(fail_open="unplugged"), "shed")]
    async with serving(tmp_path, cameras, locked=True) as running:
        await until(lambda: cameras[0].broadcast.latest is not None and not cameras[1].available)
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token(served)}"}) as session:
        yield session


def token(served: Served) -> str:
    assert served.station.token is not None
    return served.station.token.value


async def test_the_json_routes_do_what_their_description_says(tmp_path: Path) -> None:
    description = files("pi_mjpeg_server.web") / "static/openapi.json"
    async with serving(tmp_path, [camera(Script())], locked=True) as served:
        await until(lambda: served.station.cameras[0].broadcast.latest is not None)
        done = await asyncio.to_thread(schemathesis, served, str(description), tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


def schemathesis(served: Served, description: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        *(str(Path(sys.prefix) / "bin/schemathesis"), "run", description, "--url", served.url),
        *("--header", f"Authorization: Bearer {token(served)}", "--seed", "1", "--max-examples", "40"),
        # Which controls there are, each camera knows for itself: no schema can say it.
        *(
            "--checks",
            "all",
            "--exclude-checks",
            "positive_data_acceptance",
            "--generation-database",
            "none",
            "--suppress-health-check",
            "all",
        ),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)  # noqa: S603


async def test_every_json_route_is_described(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{served.url}/api/openapi.json") as response:
        described = {path.replace("{camera}", "front") for path in (await response.json())["paths"]}
    assert described == {
        "/healthz",
        "/api/state",
        "/api/openapi.json",
        "/api/cameras/front/snapshots",
        "/api/cameras/front/controls",
    }


async def test_the_metrics_count_what_happened(served: Served, client: aiohttp.ClientSession) -> None:
    async def samples() -> dict[tuple[str, str], float]:
        async with client.get(f"{served.url}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = text_string_to_metric_families(await response.text())
        return {
            (each.name, each.labels.get("camera", "")): each.value for family in families for each in family.samples
        }

    async with client.get(f"{served.url}/cameras/front/stream") as response:
        await response.content.readuntil(b"--frame\r\nContent-Type")
        await until(lambda: next(iter(served.station.cameras[0].viewers)).sent.count > 5)
        during = await samples()
    await until(lambda: not served.station.viewers)
    after = await samples()
    assert during["pi_mjpeg_viewers", "front"] == 1
    assert after["pi_mjpeg_viewers", "front"] == 0
    assert (after["pi_mjpeg_camera_up", "front"], after["pi_mjpeg_camera_up", "shed"]) == (1, 0)
    # A counter never goes back, whoever leaves.
    assert after["pi_mjpeg_frames_sent_total", "front"] >= during["pi_mjpeg_frames_sent_total", "front"] > 5
    assert after["pi_mjpeg_frames_total", "front"] > 5
    assert after["pi_mjpeg_restarts_total", "shed"] > 0
    assert ("pi_mjpeg_frames_dropped_total", "front") in after
    assert ("pi_mjpeg_missed_frames_total", "front") in after
