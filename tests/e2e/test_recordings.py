"""A recording lasts as long as was asked for, whatever the frame rate."""

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
import pytest_asyncio
from tooling.hass_client import until
from tooling.server import Server
from tooling.stack import Stack

from tests.e2e.conftest import ENVIRONMENT
from tests.e2e.recordings import record

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SECONDS = 10


@pytest_asyncio.fixture(loop_scope="session", params=[5, 10, 30])
async def frame_rate(stack: Stack, request: pytest.FixtureRequest) -> AsyncIterator[int]:
    """The frame rate of the stack's server, restarted with it for one test."""
    fps: int = request.param
    server = Server(ENVIRONMENT, stack.server.log.parent, replace(stack.server.settings, flags=("--fps", str(fps))))
    stack.server.stop()
    await server.start_and_wait()

    async def available() -> bool:
        return await stack.client.state(stack.camera) in {"idle", "streaming"}

    await until(available, "the camera is available")
    yield fps
    server.stop()
    await stack.server.start_and_wait()
    await until(available, "the camera is available")


async def test_ten_seconds_of_recording_are_ten_seconds_of_film(stack: Stack, frame_rate: int) -> None:
    film = await record(stack, f"film-{frame_rate}.mp4", _SECONDS)
    assert film.seconds == pytest.approx(_SECONDS, abs=1)
    # The recorder's clock has 25 ticks a second, of which each can be one picture.
    assert film.frames > 0.8 * _SECONDS * min(frame_rate, 25)
