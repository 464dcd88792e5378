"""A recording lasts as long as was asked for, whatever the frame rate."""

import asyncio
from pathlib import Path

import pytest
from tooling.stack import Stack

from tests.e2e.more_servers import more_servers
from tests.e2e.recordings import record

pytestmark = pytest.mark.asyncio(loop_scope="session")

_SECONDS = 10
_FRAME_RATES = (5, 10, 30)


async def test_ten_seconds_of_recording_are_ten_seconds_of_film(stack: Stack, tmp_path: Path) -> None:
    """Three cameras are recorded at the same time."""
    async with more_servers(stack, tmp_path, {f"{fps} fps": ("--fps", str(fps)) for fps in _FRAME_RATES}) as servers:
        films = await asyncio.gather(
            *(
                record(stack, f"film-{fps}.mp4", _SECONDS, camera)
                for fps, camera in zip(_FRAME_RATES, servers, strict=True)
            )
        )
    assert [film.seconds for film in films] == pytest.approx([_SECONDS] * len(films), abs=1)
    for fps, film in zip(_FRAME_RATES, films, strict=True):
        # The recorder's clock has 25 ticks a second, of which each can be one picture.
        assert film.frames > 0.8 * _SECONDS * min(fps, 25)
