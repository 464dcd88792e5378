"""The camera, server and client that most tests over real sockets begin with. A test file may have its own."""

import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import pytest

from tests.server.support.scripted_camera import Script, Served, camera, serving, until


@pytest.fixture(scope="session", autouse=True)
def runtime_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Have server processes keep clips in a folder of the tests instead of the machine's memory."""
    usual = os.environ.get("XDG_RUNTIME_DIR")
    os.environ["XDG_RUNTIME_DIR"] = str(tmp_path_factory.mktemp("run"))
    yield
    if usual is None:
        del os.environ["XDG_RUNTIME_DIR"]
    else:
        os.environ["XDG_RUNTIME_DIR"] = usual


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
