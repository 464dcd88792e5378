"""The list of kept snapshots, and small copies of them, over real sockets."""

import io
from collections.abc import AsyncIterator
from errno import EIO
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.web.routes import snapshots
from PIL import Image

from tests.server.support.scripted_camera import Script, Served, camera, serving


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    async with serving(tmp_path, [camera(script), camera(Script(), "shed")], needs_token=True) as running:
        yield running


@pytest.fixture
async def client(served: Served) -> AsyncIterator[aiohttp.ClientSession]:
    assert served.server.token is not None
    async with aiohttp.ClientSession(headers={"Authorization": f"Bearer {served.server.token.value}"}) as session:
        yield session


async def keep(client: aiohttp.ClientSession, served: Served) -> dict[str, Any]:
    async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
        kept: dict[str, Any] = await response.json()
        return kept


async def listed(client: aiohttp.ClientSession, served: Served, camera_id: str = "front") -> list[dict[str, Any]]:
    async with client.get(f"{served.url}/api/cameras/{camera_id}/snapshots") as response:
        assert (response.status, response.headers["Cache-Control"]) == (200, "no-store")
        document = await response.json()
    assert document.keys() == {"schema", "snapshots"}
    assert document["schema"] == 1
    found: list[dict[str, Any]] = document["snapshots"]
    return found


async def test_the_kept_snapshots_of_a_camera_are_listed_the_newest_first(
    served: Served, client: aiohttp.ClientSession
) -> None:
    kept = [await keep(client, served) for _ in range(3)]
    assert await listed(client, served) == list(reversed(kept))
    assert await listed(client, served, "shed") == []
    async with aiohttp.ClientSession() as stranger:
        async with stranger.get(f"{served.url}/api/cameras/front/snapshots") as response:
            assert response.status == 401
        async with stranger.get((await listed(client, served))[0]["url"]) as response:
            assert response.status == 200
    async with client.get(f"{served.url}/api/cameras/attic/snapshots") as response:
        assert response.status == 404


async def test_while_the_camera_is_off_what_was_kept_before_is_listed(
    served: Served, client: aiohttp.ClientSession
) -> None:
    kept = await keep(client, served)
    async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": False}) as response:
        assert response.status == 200
    assert await listed(client, served) == [kept]


async def test_a_small_copy_of_one_can_be_had(served: Served, client: aiohttp.ClientSession) -> None:
    kept = await keep(client, served)
    async with client.get(f"{kept['url']}&width=32") as response:
        assert (response.status, response.content_type) == (200, "image/jpeg")
        assert Image.open(io.BytesIO(await response.read())).size == (32, 24)
        tag = response.headers["ETag"]
        assert "immutable" in response.headers["Cache-Control"]
    async with client.get(f"{kept['url']}&width=32", headers={"If-None-Match": tag}) as response:
        assert (response.status, await response.read()) == (304, b"")
    # Another size is another picture.
    async with client.get(f"{kept['url']}&height=16", headers={"If-None-Match": tag}) as response:
        assert response.status == 200
    async with client.get(f"{kept['url']}&width=999") as response:
        assert len(await response.read()) == kept["bytes"]
    for wrong in ("width=0", "width=x", "height=9999", "width=20.5"):
        async with client.get(f"{kept['url']}&{wrong}") as response:
            assert response.status == 400, wrong
    async with client.get(f"{kept['url'][:-1]}x&width=32") as response:
        assert response.status == 404


async def test_one_that_cannot_be_scaled_or_read_is_an_error_in_json(
    served: Served, client: aiohttp.ClientSession, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await keep(client, served)
    file = tmp_path / "snapshots" / f"{kept['id']}.jpg"
    file.write_bytes(b"no picture")
    async with client.get(f"{kept['url']}&width=32") as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "not_scaled"
    file.unlink()
    file.mkdir()
    async with client.get(f"{kept['url']}&width=32") as response:
        assert response.status == 503
        assert (await response.json())["error"]["code"] == "not_readable"
    file.rmdir()

    def fail(*_: object) -> bytes:
        raise OSError(EIO, "Input/output error")

    file.write_bytes(b"on a broken card")
    monkeypatch.setattr(snapshots, "scale_picture", fail)
    async with client.get(f"{kept['url']}&width=32") as response:
        assert response.status == 503
        assert (await response.json())["error"] == {
            "code": "not_readable",
            "message": "the snapshot cannot be read: Input/output error",
        }
