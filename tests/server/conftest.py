"""The camera, server and client that most tests over real sockets begin with. A test file may have its own."""

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.support.scripted_camera import Script, Served, camera, serving, until


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
async def served(tmp_path: Path, script: Script) -> AsyncIterator[Served]:
    """A server with one camera that follows `script`, open to everybody."""
    async with serving(tmp_path, [camera(script)]) as running:
        await until(lambda: script.frames > 0)
        yield running


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session
