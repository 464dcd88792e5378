"""Requests to the API that several tests make."""

from typing import Any

import aiohttp

from tests.server.support.scripted_camera import Served


async def switch(client: aiohttp.ClientSession, served: Served, *, enabled: bool) -> None:
    """Switch the front camera on or off. Fails when the server refuses it."""
    async with client.patch(f"{served.url}/api/cameras/front", json={"enabled": enabled}) as response:
        assert (response.status, await response.json()) == (200, {"enabled": enabled})


async def front(client: aiohttp.ClientSession, served: Served) -> dict[str, Any]:
    """Return what the state says of the first camera."""
    async with client.get(f"{served.url}/api/state") as response:
        document: dict[str, Any] = (await response.json())["cameras"][0]
        return document
