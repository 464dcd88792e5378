"""Server-Sent Events over real sockets: what is told, when it ends, and what a bad client costs."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from pi_mjpeg_server.config import ServerSettings
from pi_mjpeg_server.motion.detector import Look
from pi_mjpeg_server.motion.watch import MotionStatus
from pi_mjpeg_server.storage.access_token import AccessToken
from pi_mjpeg_server.web.http_server import serving_http
from pi_mjpeg_server.web.routes import events

from tests.server.support.scripted_camera import Script, Served, camera, serving, until

LOOK = Look(moving=True, area=0.5, box=None, columns=2, rows=2, cells=b"\0\1\2\2")


class Listener:
    """Reads a stream of events as the HTML standard says, until it ends."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self.events: list[tuple[str, dict[str, Any], float]] = []
        self.comments = 0
        self.task = asyncio.create_task(self._read(response))

    async def _read(self, response: aiohttp.ClientResponse) -> None:
        kind = data = ""
        async for raw in response.content:
            line = raw.decode().rstrip("\n")
            if line.startswith(":"):
                self.comments += 1
            elif line.startswith("event: "):
                kind = line.removeprefix("event: ")
            elif line.startswith("data: "):
                data += line.removeprefix("data: ")
            elif not line and kind:
                self.events.append((kind, json.loads(data), time.monotonic()))
                kind = data = ""

    def last(self, kind: str, camera_id: str | None = "front") -> dict[str, Any] | None:
        """Return the last event of a kind and camera."""
        return next(
            (data for each, data, _ in reversed(self.events) if (each, data["camera"]) == (kind, camera_id)), None
        )

    def count(self, kind: str) -> int:
        """Return how many events of a kind came."""
        return sum(each == kind for each, _, _ in self.events)


@contextlib.asynccontextmanager
async def listening(
    client: aiohttp.ClientSession, served: Served, query: str = "", token: str | None = None
) -> AsyncIterator[Listener]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with client.get(f"{served.url}/api/events{query}", headers=headers) as response:
        assert response.status == 200
        assert response.headers["Content-Type"] == "text/event-stream"
        listener = Listener(response)
        try:
            yield listener
        finally:
            listener.task.cancel()
            await asyncio.gather(listener.task, return_exceptions=True)


async def test_a_client_first_hears_everything_as_it_is_now(served: Served, client: aiohttp.ClientSession) -> None:
    async with listening(client, served) as listener:
        await until(lambda: all(listener.last(*each) for each in (("state", None), ("snapshot",), ("clip",))))
        kinds = {"availability", "state", "controls", "motion", "snapshot", "clip"}
        assert {kind for kind, _, _ in listener.events} == kinds
        assert listener.last("availability") == {"camera": "front", "schema": 1, "availability": "online"}
        for kind in ("snapshot", "clip"):
            assert listener.last(kind) == {"camera": "front", "schema": 1, "id": None}
        async with client.get(f"{served.url}/api/state") as response:
            state = (await response.json())["cameras"][0]
        assert listener.last("motion") == {"camera": "front", **state["motion"]}
        controls = listener.last("controls")
        assert controls is not None
        assert controls["controls"] == state["controls"]


async def test_every_change_is_told_soon_and_only_once(served: Served, client: aiohttp.ClientSession) -> None:
    async with listening(client, served) as listener:
        await until(lambda: listener.last("snapshot") is not None)
        watch = served.server.motion["front"]
        before = listener.count("motion")
        watch.status = MotionStatus(motion=True, area=0.5)
        for _ in range(5):
            watch._notify()  # noqa: SLF001  (as often as it likes)
        assert await until(lambda: (listener.last("motion") or {})["motion"]) < 0.5
        async with client.post(f"{served.url}/api/cameras/front/snapshots") as response:
            kept = await response.json()
        await until(lambda: (listener.last("snapshot") or {})["id"] == kept["id"])
        assert listener.last("snapshot") == {"camera": "front", "schema": 1, **kept, "trigger": "http"}
        async with client.post(f"{served.url}/api/cameras/front/clips", json={"after": 0}) as response:
            clip = await response.json()
        await until(lambda: (listener.last("clip") or {})["id"] == clip["id"])
        assert listener.last("clip") == {"camera": "front", **clip}
        await client.patch(f"{served.url}/api/cameras/front/controls", json={"brightness": 8})
        await until(lambda: (listener.last("controls") or {})["controls"][0]["value"] == 8)
        await client.patch(f"{served.url}/api/cameras/front", json={"enabled": False})
        assert await until(lambda: (listener.last("availability") or {})["availability"] == "offline") < 0.5
        await until(lambda: (listener.last("state") or {})["state"] == "off")
        # Motion ended with the pictures.
        assert not (listener.last("motion") or {})["motion"]
        assert listener.count("motion") == before + 2


async def test_what_the_detector_sees_is_told_to_those_who_ask_for_it(
    served: Served, client: aiohttp.ClientSession
) -> None:
    async with listening(client, served, "?cells=front") as asking, listening(client, served) as other:
        await until(lambda: asking.last("snapshot") is not None and other.last("snapshot") is not None)
        for listener in served.server.motion["front"].on_look:
            listener(LOOK)
        await until(lambda: asking.last("cells") is not None)
        assert asking.last("cells") == {
            "camera": "front",
            "schema": 1,
            "columns": 2,
            "rows": 2,
            "moving": True,
            "cells": "0122",
        }
        await asyncio.sleep(0.1)
        assert other.count("cells") == 0
    async with client.get(f"{served.url}/api/events?cells=shed") as response:
        assert response.status == 404


async def test_a_client_that_does_not_read_is_told_only_the_latest_and_delays_nobody(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "DRAIN_TIMEOUT", 0.5)
    host, port = served.url.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1024)
    writer.write(b"GET /api/events?cells=front HTTP/1.1\r\nHost: localhost\r\n\r\n")
    feed = served.server.motion["front"]
    large = Look(moving=True, area=0.5, box=None, columns=100, rows=1000, cells=b"\2" * 100_000)
    other = Look(moving=True, area=0.5, box=None, columns=100, rows=1000, cells=b"\0" * 100_000)
    async with listening(client, served) as listener:
        await until(lambda: listener.last("snapshot") is not None)
        for number in range(200):
            for on_look in feed.on_look:
                on_look(large if number % 2 else other)
            await asyncio.sleep(0.005)
        feed.status = MotionStatus(motion=True)
        feed._notify()  # noqa: SLF001
        assert await until(lambda: (listener.last("motion") or {})["motion"]) < 0.5
    writer.close()


async def test_a_comment_comes_regularly(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "HEARTBEAT_INTERVAL", 0.1)
    async with listening(client, served) as listener:
        await until(lambda: listener.comments > 3)


async def test_it_needs_the_token_and_ends_when_that_is_rotated(
    tmp_path: Path, client: aiohttp.ClientSession, script: Script
) -> None:
    async with serving(tmp_path, [camera(script)], needs_token=True) as served:
        async with client.get(f"{served.url}/api/events") as response:
            assert response.status == 401
        token = served.server.token
        assert isinstance(token, AccessToken)
        async with listening(client, served, token=token.value) as listener:
            await until(lambda: listener.last("motion") is not None)
            token.rotate()
            async with asyncio.timeout(3):
                await listener.task


async def test_too_many_clients_are_refused_and_leave_no_trace(
    served: Served, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(events, "MAX_STREAMS_PER_CLIENT", 2)
    for _ in range(3):
        async with (
            listening(client, served),
            listening(client, served),
            client.get(f"{served.url}/api/events") as response,
        ):
            assert response.status == 503
            assert response.headers["Retry-After"] == "5"
            assert (await response.json())["error"]["code"] == "too_many_event_streams"
        await asyncio.sleep(0.1)


async def test_it_ends_at_once_when_the_server_stops(served: Served, client: aiohttp.ClientSession) -> None:
    settings = ServerSettings(host="127.0.0.1", port=0)
    ended = asyncio.Event()

    async def serve(port: asyncio.Future[int]) -> None:
        async with serving_http(served.server, settings) as number:
            port.set_result(number)
            await ended.wait()

    port: asyncio.Future[int] = asyncio.get_running_loop().create_future()
    running = asyncio.create_task(serve(port))
    async with listening(client, Served(f"http://127.0.0.1:{await port}", served.server)) as listener:
        await until(lambda: listener.last("motion") is not None)
        began = time.monotonic()
        ended.set()
        with contextlib.suppress(aiohttp.ClientError):
            await listener.task
        await running
        assert time.monotonic() - began < 1


async def test_head_answers_without_a_body(served: Served, client: aiohttp.ClientSession) -> None:
    async with client.head(f"{served.url}/api/events") as response:
        assert (response.status, response.headers["Content-Type"]) == (200, "text/event-stream")
