"""The JSON routes against their OpenAPI description, and the metrics, over real sockets."""

import asyncio
import json
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.recording import recording
from pi_mjpeg_server.recording import request as clip_request
from pi_mjpeg_server.web.routes import request_body
from pi_mjpeg_server.web.security.session_cookie import COOKIE_NAME
from prometheus_client.parser import text_string_to_metric_families

from tests.server.support.raw_http import parse_error, send_raw
from tests.server.support.scripted_camera import Script, Served, camera, serving, until

MAX_AFTER = 0.02
"""Seconds that these tests record."""


@pytest.fixture(autouse=True)
def short_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clip_request, "MAX_AFTER", MAX_AFTER)
    monkeypatch.setattr(clip_request, "DEFAULT_AFTER", MAX_AFTER)
    monkeypatch.setattr(recording, "WRITE_INTERVAL", 0.02)


@pytest.fixture
async def served(tmp_path: Path) -> AsyncIterator[Served]:
    cameras = [camera(Script()), camera(Script(fail_open="unplugged"), "shed"), camera(Script(), "yard")]
    cameras[2].disable()
    async with serving(tmp_path, cameras, needs_token=True) as running:
        await until(lambda: cameras[0].broadcast.latest is not None and not cameras[1].available)
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {token(served)}"}) as session:
        yield session


def token(served: Served) -> str:
    assert served.server.token is not None
    return served.server.token.value


async def test_the_json_routes_match_their_description(tmp_path: Path) -> None:
    async with serving(tmp_path, [camera(Script())], needs_token=True) as served:
        await until(lambda: bool(served.server.cameras[0].controls))
        done = await asyncio.to_thread(schemathesis, served, description(), tmp_path)
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]


async def test_a_wrong_description_is_detected_on_every_route(tmp_path: Path) -> None:
    wrong = description()
    operations = {
        f"{method.upper()} {path}": each for path, methods in wrong["paths"].items() for method, each in methods.items()
    }
    for operation in operations.values():
        (good,) = [status for status in operation["responses"] if status.startswith("2")]
        content = operation["responses"][good].get("content")
        if content is None:
            del operation["responses"][good]
        else:
            content["application/json"]["schema"] = {"type": "object", "required": ["what no answer has"]}
    async with serving(tmp_path, [camera(Script())], needs_token=True) as served:
        await until(lambda: bool(served.server.cameras[0].controls))
        done = await asyncio.to_thread(schemathesis, served, wrong, tmp_path)
    assert done.returncode == 1, done.stderr[-2000:]
    assert {name for name in operations if re.search(f"_ {re.escape(name)} _", done.stdout)} == set(operations)


def description() -> dict[str, Any]:
    """Return the published description for the test's camera.

    It names the camera's controls, which differ from camera to camera, and never switches it off: then all else fails.
    It has only regions that are inside the picture, and no events, which never end (they are in `test_events.py`).
    """
    published: dict[str, Any] = json.loads((files("pi_mjpeg_server.web") / "static/openapi.json").read_text())
    patch = published["paths"]["/api/cameras/{camera}/controls"]["patch"]
    patch["requestBody"]["content"]["application/json"] = {
        "schema": {
            "type": "object",
            "minProperties": 1,
            "properties": {"brightness": {"type": "integer", "minimum": -64, "maximum": 64, "multipleOf": 2}},
            "additionalProperties": False,
        }
    }
    del published["paths"]["/api/events"]
    inside = {
        "type": "array",
        "maxItems": 16,
        "items": {"enum": [[0, 0, 1, 1], [0.25, 0.5, 0.5, 0.25], [0, 0.9, 1, 0.1]]},
    }
    published["components"]["schemas"]["MotionSettings"]["properties"] |= {"watch": inside, "ignore": inside}
    switch = published["paths"]["/api/cameras/{camera}"]["patch"]["requestBody"]["content"]["application/json"]
    switch["schema"]["properties"]["enabled"]["enum"] = [True]
    clip = published["paths"]["/api/cameras/{camera}/clips"]["post"]["requestBody"]["content"]["application/json"]
    clip["schema"]["properties"]["after"]["maximum"] = MAX_AFTER
    clip["example"] = {"after": MAX_AFTER}
    switch["example"] = {"enabled": True}
    for path, methods in published["paths"].items():
        if "{camera}" in path:
            for operation in methods.values():
                operation["parameters"][0]["schema"] = {"type": "string", "enum": ["front"]}
    return published


def schemathesis(served: Served, described: dict[str, Any], folder: Path) -> subprocess.CompletedProcess[str]:
    file = folder / "openapi.json"
    file.write_text(json.dumps(described))
    # A camera that has just been restarted refuses controls for a moment with a 503.
    (folder / "schemathesis.toml").write_text(
        '[checks.not_a_server_error]\nexpected-statuses = ["2xx", "3xx", "4xx", "503"]\n'
    )
    command = [
        *(str(Path(sys.prefix) / "bin/schemathesis"), "run", str(file), "--url", served.url),
        *("--header", f"Authorization: Bearer {token(served)}", "--seed", "1", "--max-examples", "40"),
        *("--checks", "all", "--generation-database", "none", "--suppress-health-check", "all"),
    ]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, cwd=folder)  # noqa: S603


async def test_every_json_route_is_described(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.get(f"{served.url}/api/openapi.json") as response:
        described = {path.replace("{camera}", "front") for path in (await response.json())["paths"]}
    assert described == {
        "/healthz",
        "/api/state",
        "/api/events",
        "/api/identity",
        "/api/openapi.json",
        "/api/cameras/front",
        "/api/cameras/front/snapshots",
        "/api/cameras/front/clips",
        "/api/cameras/front/controls",
        "/api/cameras/front/restart",
        "/api/cameras/front/focus",
        "/api/cameras/front/view_token",
    }


_PATCH = "PATCH", "/api/cameras/{camera}/controls"
_SWITCH = "PATCH", "/api/cameras/{camera}"
_KEEP = "POST", "/api/cameras/{camera}/snapshots"
_RESTART = "POST", "/api/cameras/{camera}/restart"
_FOCUS = "POST", "/api/cameras/{camera}/focus"
_CLIP = "POST", "/api/cameras/{camera}/clips"
_CLIPS = "GET", "/api/cameras/{camera}/clips"
_SNAPSHOTS = "GET", "/api/cameras/{camera}/snapshots"
_MAKE = "POST", "/api/cameras/{camera}/view_token"
_REVOKE = "DELETE", "/api/cameras/{camera}/view_token"
_STATE = "GET", "/api/state"
_OPEN = "GET", "/healthz"
_PROVE = "GET", "/api/identity"
_ENROL = "POST", "/api/identity"
_BEARER = "Authorization: Bearer {token}"
_COOKIE = f"Cookie: {COOKIE_NAME}={{session}}"
_FOREIGN_ORIGIN = "Origin: http://evil.example"


@pytest.mark.parametrize(
    ("operations", "camera_id", "headers", "body", "status"),
    [
        (
            (_OPEN, _STATE, _CLIPS, _SNAPSHOTS, _KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL, _PROVE),
            "front",
            [_BEARER, "Host: a b"],
            b"",
            400,
        ),
        ((_PATCH, _SWITCH, _CLIP, _KEEP), "front", [_BEARER], b"{", 400),
        (
            (_STATE, _CLIPS, _SNAPSHOTS, _KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL, _MAKE, _REVOKE),
            "front",
            [],
            b"",
            401,
        ),
        (
            (_KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL, _MAKE, _REVOKE),
            "front",
            [_COOKIE, _FOREIGN_ORIGIN],
            b"",
            403,
        ),
        ((_KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _MAKE, _REVOKE), "nobody", [_BEARER], b'{"a": 1}', 404),
        ((_PATCH, _SWITCH, _CLIP, _KEEP), "front", [_BEARER, "Content-Length: 9"], b"{", 408),
        ((_PATCH, _SWITCH, _CLIP, _KEEP), "front", [_BEARER], b" " * 20_000, 413),
        ((_PATCH, _SWITCH, _CLIP, _KEEP), "front", [_BEARER, "Content-Encoding: gzip"], b"{}", 415),
        (
            (_OPEN, _STATE, _CLIPS, _SNAPSHOTS, _KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL, _PROVE),
            "front",
            [_BEARER, "Expect: x"],
            b"",
            417,
        ),
        (
            (_OPEN, _STATE, _CLIPS, _SNAPSHOTS, _KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL, _PROVE),
            "front",
            [_BEARER, "Host: evil.tv"],
            b"",
            421,
        ),
        ((_PATCH, _RESTART, _FOCUS), "yard", [_BEARER], b'{"brightness": 2}', 409),
        ((_KEEP,), "yard", [_BEARER], b'{"full": true}', 409),
        ((_PATCH, _SWITCH, _CLIP), "front", [_BEARER], b'{"brightness": 1000}', 422),
        (
            (_STATE, _CLIPS, _SNAPSHOTS, _KEEP, _CLIP, _PATCH, _SWITCH, _RESTART, _FOCUS, _ENROL),
            "front",
            ["Authorization: Bearer wrong"],
            b"",
            429,
        ),
        ((_PROVE,), "front", [], b"", 429),
        ((_PATCH, _FOCUS), "shed", [_BEARER], b'{"brightness": 2}', 503),
        ((_KEEP,), "shed", [_BEARER], b'{"full": true}', 503),
        ((_KEEP, _MAKE), "front", [_BEARER], b"", 507),
        (
            (
                _OPEN,
                _STATE,
                _CLIPS,
                _SNAPSHOTS,
                _KEEP,
                _CLIP,
                _PATCH,
                _SWITCH,
                _RESTART,
                _FOCUS,
                _ENROL,
                _PROVE,
                _MAKE,
                _REVOKE,
            ),
            "front",
            ["X: " + "y" * 20_000],
            b"",
            431,
        ),
        ((_SWITCH,), "front", [_BEARER], b'{"enabled": true}', 507),
    ],
)
async def test_every_error_status_is_described(
    served: Served,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    operations: tuple[tuple[str, str], ...],
    camera_id: str,
    headers: list[str],
    body: bytes,
    status: int,
) -> None:
    assert served.server.token is not None
    session = served.server.token.key("pi_mjpeg session").hex()
    monkeypatch.setattr(request_body, "BODY_TIMEOUT", 0.2)
    for folder in ("snapshots", "clips"):
        (tmp_path / folder).write_text("a file where the folder should be")
    (tmp_path / "settings.json").mkdir()
    (tmp_path / "view_tokens.json").mkdir()
    published = description()["paths"]
    for method, path in operations:
        lines = [f"{method} {path.format(camera=camera_id)} HTTP/1.1"]
        lines += [each.format(token=token(served), session=session) for each in headers]
        if not any(each.startswith("Host") for each in headers):
            lines.append("Host: localhost")
        if not any(each.startswith("Content-Length") for each in headers):
            lines.append(f"Content-Length: {len(body)}")
        for _ in range(12 if status == 429 else 1):
            seen, _, answer = await send_raw(served.url, "\r\n".join([*lines, "", ""]).encode() + body)
        assert seen == status, (method, path)
        assert set(parse_error(answer)) == {"code", "message"}
        assert str(status) in published[path][method.lower()]["responses"], (method, path)


async def test_the_metrics_count_frames_viewers_and_restarts(served: Served, client: aiohttp.ClientSession) -> None:
    async def samples() -> dict[tuple[str, str], float]:
        async with client.get(f"{served.url}/metrics") as response:
            assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            families = text_string_to_metric_families(await response.text())
        return {
            (each.name, each.labels.get("camera", "")): each.value for family in families for each in family.samples
        }

    async with client.get(f"{served.url}/cameras/front/stream") as response:
        await response.content.readuntil(b"--frame\r\nContent-Type")
        await until(lambda: next(iter(served.server.cameras[0].viewers)).send_rate.count > 5)
        during = await samples()
    await until(lambda: not served.server.viewers)
    after = await samples()
    assert during["pi_mjpeg_viewers", "front"] == 1
    assert after["pi_mjpeg_viewers", "front"] == 0
    assert (after["pi_mjpeg_camera_up", "front"], after["pi_mjpeg_camera_up", "shed"]) == (1, 0)
    # A counter never decreases, even when a viewer leaves.
    assert after["pi_mjpeg_frames_sent_total", "front"] >= during["pi_mjpeg_frames_sent_total", "front"] > 5
    assert after["pi_mjpeg_frames_total", "front"] > 5
    assert after["pi_mjpeg_restarts_total", "shed"] > 0
    assert ("pi_mjpeg_frames_dropped_total", "front") in after
    assert ("pi_mjpeg_missed_frames_total", "front") in after
